"""A submitted job, as other threads see it."""

import threading
from concurrent.futures import Future
from pathlib import Path

from ...jobs.job import WAITING, TrainingJob, TrainingResult


class TrainingHandle:
    """Watches and cancels one job, from any thread.

    Attributes:
        future: becomes the result, an `EngineError`, or `CancelledError`.
        progress: replaced as a whole. `total_steps` is 0 while it waits for a slot.
        device_seconds: its share, by tokens, of the seconds of its steps.
        longest_row: tokens of its longest row; 0 until its dataset is read.
    """

    def __init__(self, job: TrainingJob, tenant: str, work_dir: Path, checkpoint_every_steps: int) -> None:
        self.job = job
        self.tenant = tenant
        self.work_dir = work_dir
        self.checkpoint_every_steps = checkpoint_every_steps
        self.future: Future[TrainingResult] = Future()
        self.progress = WAITING
        self.device_seconds = 0.0
        self.longest_row = 0
        self._cancelled = threading.Event()
        self._keep = False
        self._finishing = threading.Event()
        # marked as running, so that `Future.cancel` cannot bypass the slot
        self.future.set_running_or_notify_cancel()

    @property
    def cancelling(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    @property
    def keeping(self) -> bool:
        """Whether the steps since the last checkpoint are to be kept when the job is cancelled."""
        return self._keep

    @property
    def finishing(self) -> bool:
        """Whether `finish` was called."""
        return self._finishing.is_set()

    def finish(self) -> None:
        """Take no more steps: the layer is exported as it is, and the future becomes the result."""
        self._finishing.set()

    def cancel(self, *, keep: bool = False) -> None:
        """End the job before its next step; its last checkpoint stays. The future then raises `CancelledError`.

        Args:
            keep: write a checkpoint first, if the job has them, so that no step is lost.
        """
        self._keep = keep
        self._cancelled.set()
