"""Which engine a runner trains with."""

from dataclasses import dataclass
from typing import Final, get_args

from ...batched import BatchedTrainer
from ..runner import Runner
from .batched_engine import BatchedEngine
from .engine import Engine, EngineName, SoloEngine

ENGINES: Final[tuple[EngineName, ...]] = get_args(EngineName)
#: trainings at once; solo gains nothing from more
SLOTS: Final[dict[EngineName, int]] = {"batched": 24, "solo": 4}


@dataclass(frozen=True)
class EngineOptions:
    """How to train; all but the first two are for the batched engine.

    Attributes:
        slots: trainings whose state is on the device at once; None for the engine's own number.
        token_budget: tokens of a step; None lets the engine find it.
    """

    engine: EngineName
    checkpoint_every_steps: int
    slots: int | None = None
    token_budget: int | None = None
    deterministic: bool = False


def build_engine(runner: Runner, options: EngineOptions) -> Engine:
    """The engine asked for, or the solo engine where the batched one cannot compute the model."""
    if options.engine == "solo" or runner.base is None:
        return SoloEngine(runner, options.checkpoint_every_steps)
    trainer = BatchedTrainer(
        runner.model,
        options.slots or SLOTS["batched"],
        options.token_budget,
        base=runner.base,
        deterministic=options.deterministic,
    )
    return BatchedEngine(runner.device, runner.metrics, trainer, options.checkpoint_every_steps)
