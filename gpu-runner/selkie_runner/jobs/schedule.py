"""Number of steps and learning rate of each, as in the Hugging Face `Trainer`. Pure functions."""

import math

from .job import Recipe
from .sources import RowSource


def total_steps(source: RowSource, recipe: Recipe) -> int:
    """Optimizer steps of a training: `max_steps` caps the source's."""
    return min(source.steps, recipe.max_steps) if recipe.max_steps > 0 else source.steps


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """The rate of step 0 … steps - 1, without warm-up; linear and cosine would reach 0 one step after the last."""
    match recipe.schedule:
        case "constant":
            factor = 1.0
        case "linear":
            factor = (steps - step) / steps
        case "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * step / steps))
    return recipe.learning_rate * factor
