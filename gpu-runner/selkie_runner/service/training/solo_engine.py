"""The solo engine in the service: each training is its own job on the device."""

import asyncio
from collections.abc import Generator, Sequence
from pathlib import Path
from time import perf_counter

from ...jobs.hooks import Decision, StepHook, conclude, decide
from ...jobs.job import WAITING, TrainingJob, TrainingResult
from ...ports import EngineName
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

    async def train(self, job: TrainingJob, folder: Path, tenant: str, hooks: Sequence[StepHook]) -> TrainingResult:
        device_job = self._runner.device.run(
            self._steps(job, folder, hooks), lane="train", name=f"train {job.training_key[:12]}"
        )
        try:
            return await result_of(device_job)
        except asyncio.CancelledError:
            await asyncio.wrap_future(device_job.closed)
            raise

    def _steps(
        self, job: TrainingJob, folder: Path, hooks: Sequence[StepHook]
    ) -> Generator[None, None, TrainingResult]:
        steps = train_solo(self._runner.loaded, job, folder, self._checkpoint_every_steps)
        progress = WAITING
        decision = decide(hooks, progress, 0.0)
        try:
            while True:
                if decision is Decision.INTERRUPT and progress.checkpoint == progress.step:
                    raise RunnerStopping(f"step {progress.step} is kept")
                started = perf_counter()
                try:
                    # a generator that has not begun takes only None
                    progress = next(steps) if progress is WAITING else steps.send(decision is Decision.FINISH)
                except StopIteration as finished:
                    conclude(hooks, progress, perf_counter() - started)
                    return finished.value
                except Exception:
                    conclude(hooks, progress, perf_counter() - started)
                    raise
                if progress.phase == "training":
                    self._runner.metrics.training_steps.inc()
                decision = decide(hooks, progress, perf_counter() - started)
                yield
        finally:
            steps.close()
