"""Rows and learning rate of each step, as in the Hugging Face `Trainer`. Pure functions."""

import math

import torch

from .job import Recipe


def total_steps(rows: int, recipe: Recipe) -> int:
    """Optimizer steps of a training: the last batch of an epoch may be short, `max_steps` caps the whole."""
    steps = recipe.epochs * _steps_per_epoch(rows, recipe)
    return min(steps, recipe.max_steps) if recipe.max_steps > 0 else steps


def rows_of_step(step: int, rows: int, recipe: Recipe, seed: int) -> list[int]:
    """Indices of the rows in one step's batch. Each epoch's order is seeded with `seed + epoch`."""
    epoch, batch = divmod(step, _steps_per_epoch(rows, recipe))
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed + epoch)).tolist()
    start = batch * recipe.batch_size
    return order[start : start + recipe.batch_size]


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


def _steps_per_epoch(rows: int, recipe: Recipe) -> int:
    return math.ceil(rows / recipe.batch_size)
