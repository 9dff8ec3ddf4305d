"""What a training engine is to the service, and the solo engine: each training a job of its own on the device."""

import asyncio
from collections.abc import Generator
from pathlib import Path
from time import perf_counter
from typing import Literal, Protocol

from ...jobs.job import TrainingJob, TrainingResult
from ...reference.trainer import train_solo
from ..device.loop import result_of
from ..runner import Runner
from .active import RunnerStopping, Training
from .device_meter import DeviceMeter

EngineName = Literal["batched", "solo"]


class Engine(Protocol):
    """Trains jobs on the runner's device."""

    @property
    def name(self) -> EngineName: ...

    async def train(self, job: TrainingJob, folder: Path, training: Training, meter: DeviceMeter) -> TrainingResult:
        """Train to the end, reporting to `training` and `meter`. Cancelling returns once the device has let go.

        Args:
            folder: the training's own; it goes on from the checkpoint there, and leaves the exported folders there.

        Raises:
            EngineError: the job cannot be trained, or its device-seconds are used up.
            RunnerStopping: `training.stopping` was set.
            DeviceStopped: the device takes no more work.
        """
        ...


class SoloEngine:
    """`train_solo`: the oracle. Trainings take turns, a step each."""

    name: EngineName = "solo"

    def __init__(self, runner: Runner, checkpoint_every_steps: int) -> None:
        self._runner = runner
        self._checkpoint_every_steps = checkpoint_every_steps

    async def train(self, job: TrainingJob, folder: Path, training: Training, meter: DeviceMeter) -> TrainingResult:
        device_job = self._runner.device.run(
            self._steps(job, folder, training, meter), lane="train", name=f"train {job.training_key[:12]}"
        )
        try:
            return await result_of(device_job)
        except asyncio.CancelledError:
            await asyncio.wrap_future(device_job.closed)
            raise

    def _steps(
        self, job: TrainingJob, folder: Path, training: Training, meter: DeviceMeter
    ) -> Generator[None, None, TrainingResult]:
        steps = train_solo(self._runner.model, job, folder, self._checkpoint_every_steps)
        try:
            while True:
                meter.check()
                started = perf_counter()
                try:
                    progress = next(steps)
                except StopIteration as finished:
                    return finished.value
                finally:
                    meter.add(perf_counter() - started)
                if progress.phase == "training":
                    self._runner.metrics.training_steps.inc()
                training.report(progress)
                if training.stopping and progress.checkpoint == progress.step:
                    raise RunnerStopping(f"the runner is shutting down; step {progress.step} is kept")
                yield
        finally:
            steps.close()
