"""What other processes take of the CPU that this runner computes on."""

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import psutil

#: long enough for the system's clock ticks to count
_LOOK_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Usage:
    """Seconds of the processor since some moment in the past: of all cores together, and of our processes by id."""

    cores: int
    total: float
    busy: float
    ours: dict[int, float]


class Neighbours:
    """The other processes of this machine; on a virtual one also what its host withholds."""

    def __init__(self, read: "Callable[[Iterable[int]], Usage] | None" = None, *, every: float = _LOOK_SECONDS) -> None:
        """Look by `read`, at most once in `every` seconds."""
        self._read = read or usage
        self._every = every
        self._ours: list[Callable[[], int]] = [os.getpid]
        self._lock = threading.Lock()
        self._taken = 0.0
        self._looked = time.monotonic()
        self._before = self._read([os.getpid()])

    @property
    def cores(self) -> int:
        """Cores that this process may use."""
        return self._before.cores

    def ours(self, pid: Callable[[], int]) -> None:
        """Count another process of the runner's as ours; `pid` is asked each time, because it may be started again."""
        with self._lock:
            self._ours.append(pid)

    def taken(self) -> float:
        """How many cores the others kept busy on average, as of the last look."""
        with self._lock:
            if time.monotonic() - self._looked >= self._every:
                now = self._read([pid() for pid in self._ours])
                self._taken = taken(self._before, now)
                self._before, self._looked = now, time.monotonic()
            return self._taken


def taken(before: Usage, after: Usage) -> float:
    """How many cores others kept busy between two looks; 0 where the system does not count."""
    total = after.total - before.total
    if total <= 0:
        return 0.0
    # a process that was not there before has begun since then
    ours = sum(seconds - before.ours.get(pid, 0.0) for pid, seconds in after.ours.items())
    others = (after.busy - before.busy - ours) / total * after.cores
    return min(max(others, 0.0), float(after.cores))


def usage(pids: Iterable[int]) -> Usage:
    """Look now."""
    cores = psutil.cpu_times(percpu=True)
    if hasattr(os, "sched_getaffinity"):
        allowed = os.sched_getaffinity(0)
        cores = [times for number, times in enumerate(cores) if number in allowed] or cores
    total = busy = 0.0
    for times in cores:
        # what guests of this machine take is part of `user` and `nice`
        spent = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        total += spent
        busy += spent - times.idle - getattr(times, "iowait", 0.0)
    return Usage(len(cores), total, busy, {pid: seconds for pid in pids if (seconds := _seconds_of(pid)) is not None})


def _seconds_of(pid: int) -> float | None:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return times.user + times.system
