"""Hooks between the optimizer steps of a training: every engine calls them, and does what they decide."""

from collections.abc import Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Protocol

from ..errors import EngineError
from .job import TrainingProgress


class Decision(IntEnum):
    """What happens to a training next; where hooks differ, the largest counts."""

    GO_ON = 0
    #: take no more steps and export the layer as it is
    FINISH = 1
    #: leave the rest to a later attempt, as soon as a checkpoint holds the last step
    INTERRUPT = 2


class StepHook(Protocol):
    """Watches a training, and decides between its steps."""

    def between_steps(self, progress: TrainingProgress, seconds: float) -> Decision:
        """Take note of where the training is, and decide what happens next.

        Called before the first step, between two steps, after the last one, where the decision changes nothing, and
        while the training waits for its turn. By one thread at a time, in the process that was asked for the training,
        not in those of a pool.

        Args:
            progress: as of the last step; `total_steps` is 0 while the training waits.
            seconds: device-seconds since the last call.

        Raises:
            EngineError: the training fails with it.
        """
        ...


def decide(hooks: Sequence[StepHook], progress: TrainingProgress, seconds: float) -> Decision:
    """Call every hook, also where one raises.

    Raises:
        EngineError: the first that a hook raised.
    """
    decision = Decision.GO_ON
    refusal: EngineError | None = None
    for hook in hooks:
        try:
            decision = max(decision, hook.between_steps(progress, seconds))
        except EngineError as error:
            refusal = refusal or error
    if refusal is not None:
        raise refusal
    return decision


def conclude(hooks: Sequence[StepHook], progress: TrainingProgress, seconds: float) -> None:
    """Call every hook after the last step, or after what failed."""
    with suppress(EngineError):
        decide(hooks, progress, seconds)
