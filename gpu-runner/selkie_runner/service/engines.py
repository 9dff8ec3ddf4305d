"""Which engine a runner trains with."""

import logging
from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch

from ..batched import BatchedTrainer
from ..errors import InvalidTraining
from .batched import BatchedEngine
from .device import result_of
from .engine import Engine, EngineName, SoloEngine
from .logs import event
from .runner import Runner

TrainDtype = Literal["auto", "float32", "bfloat16"]

ENGINES: Final[tuple[EngineName, ...]] = get_args(EngineName)
TRAIN_DTYPES: Final[tuple[TrainDtype, ...]] = get_args(TrainDtype)
#: trainings at once; solo gains nothing from more
SLOTS: Final[dict[EngineName, int]] = {"batched": 24, "solo": 4}

logger = logging.getLogger(__name__)


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
    train_dtype: TrainDtype = "auto"
    deterministic: bool = False


async def build_engine(runner: Runner, options: EngineOptions) -> Engine:
    """The engine asked for, or the solo engine with a warning where the batched one cannot compute the model."""
    if options.engine == "batched":
        try:
            trainer = await result_of(runner.device.call(lambda: _trainer(runner, options), name="share weights"))
        except InvalidTraining as error:
            event(logger, logging.WARNING, "trains_solo", reason=str(error))
        else:
            return BatchedEngine(runner, trainer, options.checkpoint_every_steps)
    return SoloEngine(runner, options.checkpoint_every_steps)


def _trainer(runner: Runner, options: EngineOptions) -> BatchedTrainer:
    return BatchedTrainer(
        runner.model,
        options.slots or SLOTS["batched"],
        options.token_budget,
        compute_dtype=_compute_dtype(options.train_dtype, runner.model.device),
        deterministic=options.deterministic,
    )


def _compute_dtype(wanted: TrainDtype, device: torch.device) -> torch.dtype | None:
    """None for the model's own. On a CPU fp32 is the default: few are fast in bf16, and the copy costs little there."""
    if wanted == "auto":
        return torch.float32 if device.type == "cpu" else None
    return torch.float32 if wanted == "float32" else torch.bfloat16
