"""A `BatchedTrainer` in its own process, so that Python's lock never serialises compute.

The parent steps it as it steps a trainer in its own process. With each `StepRequest` the process gets the jobs and
cancellations that have come in; it takes one step and answers with a `StepReply`: the status of all its jobs.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final

from ...batched import BatchedTrainer, FrozenBase, StepReport, TrainingHandle
from ...batched.kernels.parallel import use_threads
from ...errors import EngineError
from ...jobs.job import TrainingJob, TrainingProgress, TrainingResult
from ...logs import event, to_stderr
from ...memory import return_free_memory
from ...models.loading import LoadedModel

#: answers, the worker and whatever else a person waits for come first
_NICENESS: Final = 5
_CLOSE_SECONDS: Final = 10
#: without a training, after which the memory that trainings have freed goes back to the system
_IDLE_SECONDS: Final = 2.0

# a process forked from a server that has imported everything begins in a blink, and inherits no thread of the parent
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])

logger = logging.getLogger(__name__)


class TrainerLost(RuntimeError):
    """The process ended in the middle of its trainings; the activity is tried again, from the checkpoint."""


@dataclass(frozen=True)
class TrainerSetup:
    """What the process makes its trainer of.

    Attributes:
        load: gives the model, in the process.
    """

    load: Callable[[], LoadedModel]
    log_level: str
    slots: int
    token_budget: int | None


@dataclass(frozen=True)
class _Submission:
    job: TrainingJob
    work_dir: Path
    checkpoint_every_steps: int
    tenant: str


@dataclass(frozen=True)
class StepRequest:
    """One step. Jobs go by number.

    Attributes:
        cancelled: maps to whether a checkpoint is kept.
        finished: jobs that take no more steps.
    """

    threads: int
    submitted: dict[int, _Submission]
    cancelled: dict[int, bool]
    finished: frozenset[int]


@dataclass(frozen=True)
class _JobStatus:
    """Where a job is; `seconds` are those of the processor, all threads added up."""

    progress: TrainingProgress
    seconds: float
    outcome: TrainingResult | Exception | None


@dataclass(frozen=True)
class StepReply:
    """What a step did, and the status of every job."""

    report: StepReport | None
    statuses: dict[int, _JobStatus]


class TrainerProcess:
    """The parent's side: a `StepTrainer`. `step` is for one thread, which waits for the process."""

    def __init__(self, setup: TrainerSetup, threads: int, next_threads: Callable[[], int]) -> None:
        """Start the process, which loads its model meanwhile.

        Args:
            threads: of the whole CPU; a second of one thread is 1 / threads of a device-second.
            next_threads: the threads of the next step.
        """
        self._setup = setup
        self._threads = threads
        self._next_threads = next_threads
        self._lock = threading.Lock()
        self._numbers = 0
        self._submitted: dict[int, _Submission] = {}
        self._handles: dict[int, TrainingHandle] = {}
        self._told: set[int] = set()
        self._start()

    @property
    def pid(self) -> int:
        """The process of now; another one after this one has ended."""
        assert self._process.pid is not None
        return self._process.pid

    def submit(self, job: TrainingJob, work_dir: Path, checkpoint_every_steps: int, tenant: str = "") -> TrainingHandle:
        """See `BatchedTrainer.submit`."""
        handle = TrainingHandle(job, tenant, work_dir, checkpoint_every_steps)
        with self._lock:
            self._numbers += 1
            self._handles[self._numbers] = handle
            self._submitted[self._numbers] = _Submission(job, work_dir, checkpoint_every_steps, tenant)
        return handle

    def step(self) -> StepReport | None:
        """See `BatchedTrainer.step`. Where the process has ended, every job in it fails and another is started."""
        with self._lock:
            submitted, self._submitted = self._submitted, {}
            known = dict(self._handles)
        if not known:
            return None
        cancelled = {n: handle.keeping for n, handle in known.items() if handle.cancelling and n not in self._told}
        self._told.update(cancelled)
        finished = frozenset(n for n, handle in known.items() if handle.finishing)
        try:
            self._pipe.send(StepRequest(self._next_threads(), submitted, cancelled, finished))
            reply: StepReply = self._pipe.recv()
        except (EOFError, OSError):
            self._lose(known)
            return None
        for number, status in reply.statuses.items():
            self._settle(number, status)
        return reply.report

    def close(self) -> None:
        """End the process. What it still trains is lost since its last checkpoint."""
        self._pipe.close()
        self._process.join(_CLOSE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _start(self) -> None:
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_work, args=(theirs, self._setup), name="trainer")
        self._process.start()
        theirs.close()
        event(logger, logging.INFO, "trainer_started", pid=self.pid)

    def _settle(self, number: int, status: _JobStatus) -> None:
        handle = self._handles[number]
        handle.progress = status.progress
        handle.device_seconds = status.seconds / self._threads
        if status.outcome is None:
            return
        with self._lock:
            del self._handles[number]
        self._told.discard(number)
        if isinstance(status.outcome, TrainingResult):
            handle.future.set_result(status.outcome)
        else:
            handle.future.set_exception(status.outcome)

    def _lose(self, handles: dict[int, TrainingHandle]) -> None:
        self.close()
        with self._lock:
            for number in handles:
                del self._handles[number]
        self._told.clear()
        event(logger, logging.ERROR, "trainer_lost", pid=self.pid, exitCode=self._process.exitcode)
        error = TrainerLost(
            f"the process of the trainings ended with exit code {self._process.exitcode} (-9: killed, mostly for want"
            " of memory); they go on from their last checkpoints"
        )
        for handle in handles.values():
            handle.future.set_exception(CancelledError() if handle.cancelling else error)
        self._start()


def _work(pipe: Connection, setup: TrainerSetup) -> None:
    """The process: takes steps until the pipe closes."""
    # the parent decides when to end, also where a terminal or a service manager signals everyone
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_NICENESS)
    to_stderr(setup.log_level)
    model = setup.load()
    trainer = BatchedTrainer(
        model,
        setup.slots,
        setup.token_budget,
        base=FrozenBase.share(model.model),
        # other processes may have this one's core for a while
        clock=time.process_time,
    )
    handles: dict[int, TrainingHandle] = {}
    while True:
        try:
            if not handles and not pipe.poll(_IDLE_SECONDS):
                return_free_memory()
            request: StepRequest = pipe.recv()
        except EOFError:
            return
        for number, one in request.submitted.items():
            handles[number] = trainer.submit(one.job, one.work_dir, one.checkpoint_every_steps, one.tenant)
        for number, keep in request.cancelled.items():
            handles[number].cancel(keep=keep)
        for number in request.finished:
            handles[number].finish()
        use_threads(request.threads)
        report = trainer.step()
        pipe.send(StepReply(report, {number: _status(handle) for number, handle in handles.items()}))
        handles = {number: handle for number, handle in handles.items() if not handle.future.done()}


def _end_with_parent() -> None:
    """End when the parent does: the next runner takes over its trainings, and must be the only one in their folders."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _status(handle: TrainingHandle) -> _JobStatus:
    error = handle.future.exception() if handle.future.done() else None
    outcome = handle.future.result() if handle.future.done() and error is None else _portable(error)
    return _JobStatus(handle.progress, handle.device_seconds, outcome)


def _portable(error: BaseException | None) -> Exception | None:
    """What another process can read: a disk's errors keep their number, a defect becomes its traceback."""
    if error is None or isinstance(error, EngineError | CancelledError):
        return error
    if isinstance(error, OSError):
        return OSError(error.errno, str(error))
    return RuntimeError("".join(traceback.format_exception(error)))
