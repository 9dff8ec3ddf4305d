"""The solo engine in the service: each training is its own job on the device."""

import asyncio
from collections.abc import Generator
from pathlib import Path
from time import perf_counter

from ...jobs.job import TrainingJob, TrainingResult
from ...ports import EngineName, Meter, TrainingObserver
from ...reference.trainer import train_solo
from ..device.loop import result_of
from ..stopping import RunnerStopping
from ..torch_runner import TorchRunner


class SoloEngine:
    """The `Trainer` port over `train_solo`, the oracle. Trainings take turns, one step each."""

    engine: EngineName = "solo"

    def __init__(self, runner: TorchRunner, checkpoint_every_steps: int) -> None:
        self._runner = runner
        self._checkpoint_every_steps = checkpoint_every_steps

    async def train(self, job: TrainingJob, folder: Path, observer: TrainingObserver, meter: Meter) -> TrainingResult:
        device_job = self._runner.device.run(
            self._steps(job, folder, observer, meter), lane="train", name=f"train {job.training_key[:12]}"
        )
        try:
            return await result_of(device_job)
        except asyncio.CancelledError:
            await asyncio.wrap_future(device_job.closed)
            raise

    def _steps(
        self, job: TrainingJob, folder: Path, observer: TrainingObserver, meter: Meter
    ) -> Generator[None, None, TrainingResult]:
        steps = train_solo(self._runner.loaded, job, folder, self._checkpoint_every_steps)
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
                observer.report(progress)
                if observer.stopping and progress.checkpoint == progress.step:
                    raise RunnerStopping(f"step {progress.step} is kept")
                yield
        finally:
            steps.close()
