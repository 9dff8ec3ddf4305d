"""The threads of one CPU, in equal parts for all of the runner that computes; they give way to other processes."""

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
_SAY_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """What one has of the CPU: so many threads, and that share of its seconds."""

    threads: int
    share: float


class Cores:
    """Who computes now. What is long goes on with the part that it began with.

    A product waits for the last of its threads. Where other processes have the cores, more threads than cores are free
    are slower than fewer.

    Attributes:
        threads: all that may be used.
    """

    def __init__(self, threads: int, neighbours: Neighbours | None = None, *, give_way: bool = True) -> None:
        """Divide so many threads.

        Args:
            neighbours: who else computes here; None: nobody.
            give_way: use no more threads than cores are free. Without it the neighbours are only watched.
        """
        self.threads = threads
        self._neighbours = neighbours
        self._give_way = give_way
        self._busy: set[object] = set()
        self._lock = threading.Lock()
        self._said = (threads, -_SAY_SECONDS)

    def claim(self, who: object) -> Part:
        """The part of `who`, which computes until it releases it."""
        free = self.free()
        with self._lock:
            self._busy.add(who)
            self._say(free)
            threads = free if self._give_way else self.threads
            return Part(max(1, threads // len(self._busy)), 1 / len(self._busy))

    def release(self, who: object) -> None:
        """`who` has nothing to do."""
        with self._lock:
            self._busy.discard(who)

    def ours(self, pid: Callable[[], int]) -> None:
        """A process of the runner's is no neighbour; see `Neighbours.ours`."""
        if self._neighbours is not None:
            self._neighbours.ours(pid)

    def taken(self) -> float:
        """How many cores other processes keep busy."""
        return 0.0 if self._neighbours is None else self._neighbours.taken()

    def free(self) -> int:
        """How many of the threads have a core to themselves; at least one."""
        if self._neighbours is None:
            return self.threads
        return max(1, min(self.threads, int(self._neighbours.cores - self._neighbours.taken() + _SPARE)))

    def _say(self, free: int) -> None:
        before, at = self._said
        now = time.monotonic()
        if free == before or now - at < _SAY_SECONDS:
            return
        self._said = (free, now)
        taken, threads = round(self.taken(), 1), free if self._give_way else self.threads
        if free < self.threads:
            reason = "other processes have the cores: answers and trainings take longer"
            event(logger, logging.WARNING, "cores_busy", reason=reason, takenByOthers=taken, threads=threads)
        else:
            event(logger, logging.INFO, "cores_free", takenByOthers=taken, threads=threads)
