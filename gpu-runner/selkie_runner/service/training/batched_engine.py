"""The batched engine in the service: one job on the device steps all trainings together, while there are any."""

import asyncio
import threading
from collections.abc import Generator
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from ...batched import StepReport, TrainingHandle
from ...errors import DeviceBudgetExceeded
from ...jobs.job import TrainingJob, TrainingResult
from ...ports import EngineName, Meter, TrainingObserver
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
        self._running: list[_MeteredTraining] = []

    async def train(self, job: TrainingJob, folder: Path, observer: TrainingObserver, meter: Meter) -> TrainingResult:
        meter.check()
        running = self._start(job, folder, observer, meter)
        ended = asyncio.wrap_future(running.ended)
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            running.handle.cancel()
            await ended
            raise
        return running.result()

    def _start(self, job: TrainingJob, folder: Path, observer: TrainingObserver, meter: Meter) -> "_MeteredTraining":
        with self._lock:
            idle = not self._running
            handle = self._trainer.submit(job, folder, self._checkpoint_every_steps, observer.tenant)
            running = _MeteredTraining(handle, observer, meter)
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

    def _under_way(self) -> "list[_MeteredTraining]":
        with self._lock:
            return list(self._running)

    def _settle(self, running: "list[_MeteredTraining]") -> bool:
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


class _MeteredTraining:
    """One training in the trainer. `ended` is done once the device has let go and the meter has all its seconds."""

    def __init__(self, handle: TrainingHandle, observer: TrainingObserver, meter: Meter) -> None:
        self.handle = handle
        self.ended: Future[None] = Future()
        self.ended.set_running_or_notify_cancel()
        self._observer = observer
        self._meter = meter
        self._metered = 0.0
        self._refusal: Exception | None = None

    def before_step(self) -> None:
        """End the training where it may not go on."""
        try:
            self._meter.check()
        except DeviceBudgetExceeded as error:
            self.refuse(error)
        if self._observer.stopping:
            self.handle.cancel(keep=True)

    def refuse(self, error: Exception) -> None:
        """Cancel, with this error as the outcome."""
        self._refusal = error
        self.handle.cancel()

    def after_step(self) -> bool:
        """Note what the step did. Returns whether it was the last."""
        seconds = self.handle.device_seconds
        self._meter.add(seconds - self._metered)
        self._metered = seconds
        if self.handle.progress.total_steps:  # until then it waits for a slot
            self._observer.report(self.handle.progress)
        return self.handle.future.done()

    def result(self) -> TrainingResult:
        """The outcome, once ended."""
        if self._refusal is not None:
            raise self._refusal
        if self.handle.cancelling:
            kept = self.handle.progress.checkpoint
            raise RunnerStopping(f"step {kept} is kept")
        return self.handle.future.result()
