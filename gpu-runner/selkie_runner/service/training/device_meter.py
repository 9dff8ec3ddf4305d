"""Device-seconds of one training over all its attempts."""

from pathlib import Path
from typing import Final

from ...errors import DeviceBudgetExceeded
from ...files import atomic_file
from ...store.work_folder import DEVICE_SECONDS

#: a killed process forgets at most this much
_SAVE_SECONDS: Final = 1.0


class DeviceMeter:
    """Counts work up to a limit; what earlier attempts used is read from the training's folder.

    Attributes:
        seconds: used so far, over all attempts.
    """

    def __init__(self, folder: Path, limit_seconds: float) -> None:
        self._file = folder / DEVICE_SECONDS
        self._limit = limit_seconds
        self._saved = self.seconds = float(self._file.read_text()) if self._file.exists() else 0.0

    def check(self) -> None:
        """Before more work: raises `DeviceBudgetExceeded` when nothing is left."""
        if self.seconds >= self._limit:
            raise DeviceBudgetExceeded(
                f"the training has used {self.seconds:.1f} s of the device; maxDeviceSeconds is {self._limit:g}"
            )

    def add(self, seconds: float) -> None:
        """Count work that was done."""
        self.seconds += seconds
        if self.seconds - self._saved > _SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Keep the count for a later attempt."""
        with atomic_file(self._file) as temporary:
            temporary.write_text(repr(self.seconds), encoding="ascii")
        self._saved = self.seconds
