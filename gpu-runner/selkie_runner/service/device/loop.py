"""One thread owns the device and the model; everything else hands it work.

Work is a generator, advanced one step at a time (a training yields after every optimizer step, a decode after every
token), or a plain call. Jobs of a lane take turns; lanes share the device by weighted time, so that neither several
trainings nor a busy server starves the other: the lane that used the device least goes next.

On a CPU of a few threads there can be several loops, each of which waits for its own process. They share the threads; a
step that runs alone has all of them.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from time import perf_counter
from typing import Any, Final, Generic, Literal, TypeVar

from ...errors import DeviceLost
from ...logs import event
from ...memory import return_free_memory
from ..stopping import DeviceStopped
from .cpu_share import CpuShare, CpuSharing

T = TypeVar("T")

#: `control` (loading an adapter, describing the model) is short and always goes first
Lane = Literal["control", "decode", "train"]
LANES: Final[tuple[Lane, ...]] = ("control", "decode", "train")
#: what a second of a lane counts when they share the device: the rarer the passes of answers, the fuller they are
_WEIGHTS: Final[dict[Lane, float]] = {"control": 1.0, "decode": 3.0, "train": 1.0}

#: without work, after which the memory that work has freed goes back to the system
_IDLE_SECONDS: Final = 2.0

logger = logging.getLogger(__name__)


class Job(Generic[T]):
    """Work under way. Await `asyncio.wrap_future(job.future)`, or `job.future.result()` from a thread.

    Attributes:
        future: the result, or what the work raised. Cancelling it cancels the work at its next step.
        closed: done once the device has let go of the work, however it ended.
        device_seconds: time that the device has spent on this job.
        lost: the error with which it lost the device.
    """

    def __init__(self, name: str, lane: Lane, steps: Generator[object, None, T]) -> None:
        self.name = name
        self.lane: Lane = lane
        self.future: Future[T] = Future()
        self.closed: Future[None] = Future()
        self.device_seconds = 0.0
        self.lost: DeviceLost | None = None
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
        except BaseException as error:  # a job that raises fails alone; the thread lives on, unless the device is lost
            if isinstance(error, DeviceLost):
                self.lost = error
            if self.future.set_running_or_notify_cancel():
                self.future.set_exception(error)
        else:
            return False
        self.closed.set_result(None)
        return True

    def close(self) -> None:
        """End the work before its next step, on the device thread."""
        self.future.cancel()
        try:
            self._steps.close()
        except Exception:
            event(logger, logging.ERROR, "job_close_failed", job=self.name, exc_info=True)
        self.closed.set_result(None)


class DeviceLoop:
    """The device's thread and its queue.

    Attributes:
        share: what the step under way has of the CPU.
        cpu: the CPU that the loops share; None where the device is no CPU, or `divide` was not called.
        lost: done once a job has lost the device; all later ones are cancelled, and the process should end.
        busy_seconds: time spent working, by lane, since the start; a step with a share of the CPU counts by its share.
    """

    def __init__(self, name: str = "device") -> None:
        self.share = CpuShare(threads=0, share=1.0)
        self.cpu: CpuSharing | None = None
        self.busy_seconds: dict[Lane, float] = dict.fromkeys(LANES, 0.0)
        self._queues: dict[Lane, deque[Job[Any]]] = {lane: deque() for lane in LANES}
        self._used: dict[Lane, float] = dict.fromkeys(LANES, 0.0)
        self._unfinished: dict[Lane, int] = dict.fromkeys(LANES, 0)
        self._changed = threading.Condition()
        self._stopping = False
        self.lost: Future[DeviceLost] = Future()
        self._use_threads: Callable[[int], object] | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> "DeviceLoop":
        self._thread.start()
        return self

    def divide(self, cpu: CpuSharing, use_threads: Callable[[int], object] | None = None) -> "DeviceLoop":
        """From now on compute with a share of the CPU, of which other loops may have shares.

        Args:
            use_threads: limits this thread to a number of threads. None: the steps only wait for another process, which
                limits itself to `share.threads`.
        """
        with self._changed:
            self.cpu, self._use_threads = cpu, use_threads
        return self

    def run(self, steps: Generator[object, None, T], *, lane: Lane, name: str) -> Job[T]:
        """Advance a generator on the device until it returns; raises `DeviceStopped` after `stop`."""
        job = Job(name, lane, steps)
        with self._changed:
            if self._stopping:
                raise DeviceStopped
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
        return self._thread.is_alive() and not self._stopping and not self.lost.done()

    def queued(self) -> dict[Lane, int]:
        """How many jobs each lane holds, those under way not counted."""
        with self._changed:
            return {lane: len(queue) for lane, queue in self._queues.items()}

    def stop(self, timeout_seconds: float = 30) -> None:
        """Close every job at its next step and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout_seconds)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            before = job.device_seconds
            if self.lost.done():
                job.cancel()
            finished = job.advance(self.share.share)
            elapsed = job.device_seconds - before
            if job.lost is not None and not self.lost.done():
                event(logger, logging.CRITICAL, "device_lost", reason=str(job.lost))
                self.lost.set_result(job.lost)
            with self._changed:
                self.busy_seconds[job.lane] += elapsed
                self._used[job.lane] += elapsed * _WEIGHTS[job.lane]
                if finished:
                    self._unfinished[job.lane] -= 1
                else:
                    self._queues[job.lane].append(job)
        for queue in self._queues.values():
            for job in queue:
                job.close()
            queue.clear()
        self._release()

    def _next(self) -> Job[Any] | None:
        with self._changed:
            while not self._stopping:
                if (lane := self._lane()) is not None:
                    job = self._queues[lane].popleft()
                    self._acquire_share()
                    return job
                self._release()
                if not self._changed.wait(_IDLE_SECONDS):
                    return_free_memory()
                    self._changed.wait_for(self._has_work)
            return None

    def _has_work(self) -> bool:
        return self._stopping or self._lane() is not None

    def _lane(self) -> Lane | None:
        """Whose turn it is."""
        waiting: list[Lane] = [lane for lane in LANES if self._queues[lane]]
        if not waiting or "control" in waiting:
            return "control" if waiting else None
        return min(waiting, key=lambda lane: self._used[lane])

    def _acquire_share(self) -> None:
        if self.cpu is None:
            return
        self.share = self.cpu.acquire(self)
        if self._use_threads is not None:
            self._use_threads(self.share.threads)

    def _release(self) -> None:
        if self.cpu is not None:
            self.cpu.release(self)


def _one_step(function: Callable[[], T]) -> Generator[object, None, T]:
    yield from ()
    return function()


async def result_of(job: Job[T]) -> T:
    """Await a job from asyncio; cancelling the wait cancels the job."""
    return await asyncio.wrap_future(job.future)
