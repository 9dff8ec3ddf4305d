"""Splits the threads of one CPU evenly among the workers that compute, and gives way to other processes."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ...logs import event
from .neighbours import Neighbours

#: of a core; where others take more of it, one thread fewer is faster
_SPARE: Final = 0.6
#: a change is logged no more often
_LOG_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CpuShare:
    """One worker's share of the CPU: a number of threads, and the part of its seconds that they are."""

    threads: int
    share: float


class CpuSharing:
    """Tracks the workers that compute now. A long step keeps the share that it began with.

    A product waits for the last of its threads. Where other processes keep cores busy, more threads than there are free
    cores make it slower.

    Attributes:
        threads: the most that may be used.
    """

    def __init__(self, threads: int, neighbours: Neighbours | None = None, *, give_way: bool = True) -> None:
        """Split `threads`.

        Args:
            neighbours: the other processes of this machine; None: they are not watched.
            give_way: use no more threads than there are free cores. Without it the neighbours are only watched.
        """
        self.threads = threads
        self._neighbours = neighbours
        self._give_way = give_way
        self._busy: set[object] = set()
        self._lock = threading.Lock()
        self._logged = (threads, -_LOG_SECONDS)

    def acquire(self, worker: object) -> CpuShare:
        """The share of `worker`, which computes until it calls `release`."""
        free = self.free()
        with self._lock:
            self._busy.add(worker)
            self._log_change(free)
            threads = free if self._give_way else self.threads
            return CpuShare(max(1, threads // len(self._busy)), 1 / len(self._busy))

    def release(self, worker: object) -> None:
        """`worker` has nothing to compute."""
        with self._lock:
            self._busy.discard(worker)

    def ours(self, pid: Callable[[], int]) -> None:
        """Count a process as the runner's; see `Neighbours.ours`."""
        if self._neighbours is not None:
            self._neighbours.ours(pid)

    def taken(self) -> float:
        """How many cores other processes keep busy."""
        return 0.0 if self._neighbours is None else self._neighbours.taken()

    def free(self) -> int:
        """How many of the threads have a free core; at least one."""
        if self._neighbours is None:
            return self.threads
        return max(1, min(self.threads, int(self._neighbours.cores - self._neighbours.taken() + _SPARE)))

    def _log_change(self, free: int) -> None:
        before, at = self._logged
        now = time.monotonic()
        if free == before or now - at < _LOG_SECONDS:
            return
        self._logged = (free, now)
        taken, threads = round(self.taken(), 1), free if self._give_way else self.threads
        if free < self.threads:
            reason = "other processes have the cores: answers and trainings take longer"
            event(logger, logging.WARNING, "cores_busy", reason=reason, takenByOthers=taken, threads=threads)
        else:
            event(logger, logging.INFO, "cores_free", takenByOthers=taken, threads=threads)
