"""The threads of one CPU, in equal parts for all that compute on it at the same time."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """What one has of the CPU: so many threads, and that share of its seconds."""

    threads: int
    share: float


class Cores:
    """Who computes now. What is long goes on with the part that it began with."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._busy: set[object] = set()
        self._lock = threading.Lock()

    def claim(self, who: object) -> Part:
        """The part of `who`, which computes until it releases it."""
        with self._lock:
            self._busy.add(who)
            return Part(max(1, self.threads // len(self._busy)), 1 / len(self._busy))

    def release(self, who: object) -> None:
        """`who` has nothing to do."""
        with self._lock:
            self._busy.discard(who)
