"""Device-seconds of one training over all its attempts."""

from pathlib import Path
from typing import Final

from ...errors import DeviceBudgetExceeded
from ...files import atomic_file
from ...jobs.hooks import Decision
from ...jobs.job import TrainingProgress
from ...store.work_folder import DEVICE_SECONDS

#: a killed process forgets at most this much
_SAVE_SECONDS: Final = 1.0


class DeviceMeter:
    """The `StepHook` that counts work up to a limit; what earlier attempts used is read from the training's folder.

    Attributes:
        seconds: used so far, over all attempts.
    """

    def __init__(self, folder: Path, limit_seconds: float) -> None:
        self._file = folder / DEVICE_SECONDS
        self._limit = limit_seconds
        self._saved = self.seconds = float(self._file.read_text()) if self._file.exists() else 0.0

    def between_steps(self, progress: TrainingProgress, seconds: float) -> Decision:
        """Count work that was done; raises `DeviceBudgetExceeded` where nothing is left for more."""
        self.seconds += seconds
        if self.seconds - self._saved > _SAVE_SECONDS:
            self.save()
        if self.seconds >= self._limit:
            raise DeviceBudgetExceeded(
                f"the training has used {self.seconds:.1f} s of the device; maxDeviceSeconds is {self._limit:g}"
            )
        return Decision.GO_ON

    def save(self) -> None:
        """Keep the count for a later attempt."""
        with atomic_file(self._file) as temporary:
            temporary.write_text(repr(self.seconds), encoding="ascii")
        self._saved = self.seconds
