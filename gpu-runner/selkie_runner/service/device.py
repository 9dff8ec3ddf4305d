"""The device's own thread works on the model; everything else hands it work.

Work is a generator, advanced one step at a time (a training yields after every optimizer step, a decode after every
token), or a plain call. Jobs of a lane take turns; lanes share the device by weighted time, so that neither several
trainings nor a busy server starves the other: the lane that used the device least goes next.

A CPU of a few threads can be divided: a step of training and a pass of answers then run side by side, in which each
loses less than by dividing its own products. A step that is alone still has all threads.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from time import perf_counter
from typing import Any, Final, Generic, Literal, TypeVar

from ..batched.streams import use_threads
from .logs import event

T = TypeVar("T")

#: `control` (loading an adapter, describing the model) is short and always goes first
Lane = Literal["control", "decode", "train"]
LANES: Final[tuple[Lane, ...]] = ("control", "decode", "train")
#: lanes of one side work on the same things and never at the same time
_SIDES: Final[tuple[tuple[Lane, ...], ...]] = (("control", "decode"), ("train",))
#: what a second of a lane counts when they share the device: the rarer the passes of answers, the fuller they are
_WEIGHTS: Final[dict[Lane, float]] = {"control": 1.0, "decode": 3.0, "train": 1.0}

logger = logging.getLogger(__name__)


class DeviceStopped(RuntimeError):  # noqa: N818 - a state, told to whoever still hands in work
    """The device loop has ended; no more work is taken."""


class Job(Generic[T]):
    """Work under way. Await `asyncio.wrap_future(job.future)`, or `job.future.result()` from a thread.

    Attributes:
        future: the result, or what the work raised. Cancelling it cancels the work at its next step.
        closed: done once the device has let go of the work, however it ended.
        device_seconds: time that the device has spent on this job.
    """

    def __init__(self, name: str, lane: Lane, steps: Generator[object, None, T]) -> None:
        self.name = name
        self.lane: Lane = lane
        self.future: Future[T] = Future()
        self.closed: Future[None] = Future()
        self.device_seconds = 0.0
        self._steps = steps

    def cancel(self) -> None:
        """Give the work up; its generator is closed before its next step."""
        self.future.cancel()

    def advance(self, share: float) -> bool:
        """Take one step with a share of the device; True when nothing is left to do."""
        started = perf_counter()
        try:
            return self._step()
        finally:
            self.device_seconds += (perf_counter() - started) * share

    def _step(self) -> bool:
        if self.future.cancelled():
            self.close()
            return True
        try:
            next(self._steps)
        except StopIteration as stop:
            if self.future.set_running_or_notify_cancel():
                self.future.set_result(stop.value)
        except BaseException as error:  # a job that raises fails alone; the thread lives on
            if self.future.set_running_or_notify_cancel():
                self.future.set_exception(error)
        else:
            return False
        self.closed.set_result(None)
        return True

    def close(self) -> None:
        """End the work where it stands, on the device thread."""
        self.future.cancel()
        try:
            self._steps.close()
        except Exception:
            event(logger, logging.ERROR, "job_close_failed", job=self.name, exc_info=True)
        self.closed.set_result(None)


class DeviceLoop:
    """The device's thread, on a divided CPU two, and their queue.

    Attributes:
        busy_seconds: time spent working, by lane, since the start; a step with a part of the threads counts in part.
    """

    def __init__(self) -> None:
        self.busy_seconds: dict[Lane, float] = dict.fromkeys(LANES, 0.0)
        self._queues: dict[Lane, deque[Job[Any]]] = {lane: deque() for lane in LANES}
        self._used: dict[Lane, float] = dict.fromkeys(LANES, 0.0)
        self._unfinished: dict[Lane, int] = dict.fromkeys(LANES, 0)
        self._under_way: set[Lane] = set()
        self._changed = threading.Condition()
        self._stopping = False
        #: of the CPU, once it is divided
        self._threads = 0
        #: whether the first thread's step leaves one to the second
        self._leaving = False
        self._local = threading.local()
        self._first = threading.Thread(target=self._work_first, name="device", daemon=True)
        self._second = threading.Thread(target=self._work, args=(False,), name="device-2", daemon=True)

    def start(self) -> "DeviceLoop":
        self._first.start()
        return self

    def divide(self, threads: int) -> None:
        """From now on let training and answers run side by side; `threads`, two at least, are all of the CPU's.

        While both have work, one thread is the second step's and the rest are the first's.
        """
        self._second.start()
        with self._changed:
            self._threads = threads

    def run(self, steps: Generator[object, None, T], *, lane: Lane, name: str) -> Job[T]:
        """Advance a generator on the device until it returns; raises `DeviceStopped` after `stop`."""
        job = Job(name, lane, steps)
        with self._changed:
            if self._stopping:
                raise DeviceStopped("the runner is shutting down")
            if not self._unfinished[lane]:  # a lane that was idle has saved up no credit
                busy = [self._used[other] for other in LANES if self._unfinished[other]]
                self._used[lane] = max(self._used[lane], min(busy, default=0.0))
            self._unfinished[lane] += 1
            self._queues[lane].append(job)
            self._changed.notify_all()
        return job

    def call(self, function: Callable[[], T], *, name: str) -> Job[T]:
        """Run a plain function on the device, ahead of everything else."""
        return self.run(_one_step(function), lane="control", name=name)

    @property
    def alive(self) -> bool:
        """Whether the device takes work."""
        threads = [self._first, self._second] if self._threads else [self._first]
        return all(thread.is_alive() for thread in threads) and not self._stopping

    @property
    def share(self) -> float:
        """The share of the device that the step has which asks."""
        return getattr(self._local, "share", 1.0)

    def queued(self) -> dict[Lane, int]:
        """How many jobs each lane holds, those under way not counted."""
        with self._changed:
            return {lane: len(queue) for lane, queue in self._queues.items()}

    def stop(self, timeout_seconds: float = 30) -> None:
        """Close every job at its next step and end the threads."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._first.join(timeout_seconds)

    def _work_first(self) -> None:
        self._work(True)
        if self._threads:
            self._second.join()
        for queue in self._queues.values():
            for job in queue:
                job.close()
            queue.clear()

    def _work(self, first: bool) -> None:
        while (job := self._next(first)) is not None:
            before = job.device_seconds
            finished = job.advance(self.share)
            elapsed = job.device_seconds - before
            with self._changed:
                self.busy_seconds[job.lane] += elapsed
                self._used[job.lane] += elapsed * _WEIGHTS[job.lane]
                self._under_way.remove(job.lane)
                if first:
                    self._leaving = False
                if finished:
                    self._unfinished[job.lane] -= 1
                else:
                    self._queues[job.lane].append(job)
                self._changed.notify_all()

    def _next(self, first: bool) -> Job[Any] | None:
        with self._changed:
            while not self._stopping:
                lane = self._lane() if first or self._leaving else None
                if lane is not None:
                    self._under_way.add(lane)
                    job = self._queues[lane].popleft()
                    self._take_threads(first, lane)
                    return job
                self._changed.wait()
            return None

    def _lane(self) -> Lane | None:
        """Whose turn it is, of those that may run beside what is under way."""
        free = [side for side in _SIDES if self._under_way.isdisjoint(side)]
        waiting: list[Lane] = [lane for side in free for lane in side if self._queues[lane]]
        if not waiting or "control" in waiting:
            return "control" if waiting else None
        return min(waiting, key=lambda lane: self._used[lane])

    def _take_threads(self, first: bool, lane: Lane) -> None:
        """Settle how much of a divided CPU the step has that is about to begin."""
        if not self._threads:
            return
        if first:
            # what is short is not worth a long step with few threads beside it
            self._leaving = len(self._under_way) > 1 or (lane != "control" and self._lane() is not None)
            self._changed.notify_all()
        threads = 1 if not first else self._threads - self._leaving
        self._local.share = threads / self._threads
        use_threads(threads)


def _one_step(function: Callable[[], T]) -> Generator[object, None, T]:
    yield from ()
    return function()


async def result_of(job: Job[T]) -> T:
    """Await a job from asyncio; cancelling the wait cancels the job."""
    return await asyncio.wrap_future(job.future)
