"""The batched engine in the service: one job on the device steps all trainings together, while there are any."""

import asyncio
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from ...batched import StepReport, TrainingHandle
from ...errors import EngineError
from ...jobs.hooks import Decision, StepHook, conclude, decide
from ...jobs.job import WAITING, TrainingJob, TrainingResult
from ...ports import EngineName
from ..device.loop import DeviceLoop
from ..metrics import Metrics
from ..stopping import DeviceStopped, RunnerStopping


class StepTrainer(Protocol):
    """`BatchedTrainer`, in this process or in another."""

    def submit(
        self, job: TrainingJob, work_dir: Path, checkpoint_every_steps: int, tenant: str = ""
    ) -> TrainingHandle: ...
    def step(self) -> StepReport | None: ...


class BatchedEngine:
    """The `Trainer` port over a `StepTrainer`, stepped on the train lane of a device, between decode steps."""

    engine: EngineName = "batched"

    def __init__(self, device: DeviceLoop, metrics: Metrics, trainer: StepTrainer, checkpoint_every_steps: int) -> None:
        self._device = device
        self._metrics = metrics
        self._trainer = trainer
        self._checkpoint_every_steps = checkpoint_every_steps
        self._lock = threading.Lock()
        #: while there are any, exactly one job on the device steps them
        self._running: list[_HookedTraining] = []

    async def train(self, job: TrainingJob, folder: Path, tenant: str, hooks: Sequence[StepHook]) -> TrainingResult:
        # what may not train takes no slot
        decide(hooks, WAITING, 0.0)
        running = self._start(job, folder, tenant, hooks)
        ended = asyncio.wrap_future(running.ended)
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            running.handle.cancel()
            await ended
            raise
        return running.result()

    def _start(self, job: TrainingJob, folder: Path, tenant: str, hooks: Sequence[StepHook]) -> "_HookedTraining":
        with self._lock:
            idle = not self._running
            handle = self._trainer.submit(job, folder, self._checkpoint_every_steps, tenant)
            running = _HookedTraining(handle, hooks)
            self._running.append(running)
        if idle:
            try:
                device_job = self._device.run(self._steps(), lane="train", name="train")
            except DeviceStopped as error:
                self._abandon(error)
            else:
                device_job.future.add_done_callback(
                    lambda future: self._abandon(DeviceStopped()) if future.cancelled() else None
                )
        return running

    def _steps(self) -> Generator[None, None, None]:
        try:
            while True:
                running = self._under_way()
                for one in running:
                    one.before_step()
                report = self._trainer.step()
                if report is not None:
                    self._metrics.training_steps.inc(report.jobs)
                if self._settle(running):
                    return
                yield
        except Exception as error:
            self._abandon(error)
            raise

    def _under_way(self) -> "list[_HookedTraining]":
        with self._lock:
            return list(self._running)

    def _settle(self, running: "list[_HookedTraining]") -> bool:
        """Settle the trainings that a step ended. Returns whether none is left: the next one then starts the steps."""
        ended = [one for one in running if one.after_step()]
        with self._lock:
            self._running = [one for one in self._running if one not in ended]
            done = not self._running
        for one in ended:
            one.ended.set_result(None)
        return done

    def _abandon(self, error: Exception) -> None:
        """End everything with `error`: no later job steps what is here now."""
        with self._lock:
            running, self._running = self._running, []
        for one in running:
            one.refuse(error)
        self._trainer.step()  # takes the cancelled out; there is nothing else
        for one in running:
            one.after_step()
            one.ended.set_result(None)


class _HookedTraining:
    """One training in the trainer. `ended` is done once the device has let go and the hooks know all its seconds."""

    def __init__(self, handle: TrainingHandle, hooks: Sequence[StepHook]) -> None:
        self.handle = handle
        self.ended: Future[None] = Future()
        self.ended.set_running_or_notify_cancel()
        self._hooks = hooks
        self._told_seconds = 0.0
        self._refusal: Exception | None = None

    def before_step(self) -> None:
        """Do what the hooks decide."""
        try:
            decision = decide(self._hooks, self.handle.progress, self._new_seconds())
        except EngineError as error:
            self.refuse(error)
            return
        if decision is Decision.INTERRUPT:
            self.handle.cancel(keep=True)
        elif decision is Decision.FINISH:
            self.handle.finish()

    def refuse(self, error: Exception) -> None:
        """Cancel, with this error as the outcome."""
        self._refusal = error
        self.handle.cancel()

    def after_step(self) -> bool:
        """Whether the step was the last, which the hooks then know."""
        if not self.handle.future.done():
            return False
        conclude(self._hooks, self.handle.progress, self._new_seconds())
        return True

    def result(self) -> TrainingResult:
        """The outcome, once ended."""
        if self._refusal is not None:
            raise self._refusal
        if self.handle.cancelling:
            kept = self.handle.progress.checkpoint
            raise RunnerStopping(f"step {kept} is kept")
        return self.handle.future.result()

    def _new_seconds(self) -> float:
        seconds = self.handle.device_seconds - self._told_seconds
        self._told_seconds = self.handle.device_seconds
        return seconds
