"""One training as the service sees it, whichever engine works on it."""

import asyncio

from ...jobs.job import TrainingProgress
from ...wire import TrainHeartbeat, TrainResult


class RunnerStopping(RuntimeError):  # noqa: N818 - a state, not a fault
    """The runner is shutting down; the training goes on from its checkpoint in the next attempt."""


class Training:
    """One training under way in this process.

    Attributes:
        task: its result; cancelled when nobody follows any more.
        tenant: whose it is.
        progress: for the next heartbeat.
        stopping: end as soon as a checkpoint holds the last step, with `RunnerStopping`.
    """

    task: asyncio.Task[TrainResult]

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.progress = TrainHeartbeat(phase="waiting", step=0, total_steps=0, loss=None, checkpoint=0)
        self.stopping = False
        self.followers = 0

    def report(self, progress: TrainingProgress) -> None:
        """Take over what the engine says; from any thread."""
        self.progress = TrainHeartbeat(
            phase=progress.phase,
            step=progress.step,
            total_steps=progress.total_steps,
            loss=progress.loss,
            checkpoint=progress.checkpoint,
        )
