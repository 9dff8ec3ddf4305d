"""Trainings in one process per CPU thread, while this process answers."""

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from ...batched.kernels.parallel import use_threads
from ...hardware import available_bytes
from ...jobs.dataset import file_of
from ...jobs.hooks import Decision, StepHook
from ...jobs.job import TrainingJob, TrainingProgress, TrainingResult
from ...models.loading import LoadedModel
from ...ports import EngineName
from ..device.cpu_share import CpuSharing
from ..device.loop import DeviceLoop
from ..options import SLOTS, EngineOptions
from ..torch_runner import TorchRunner
from .batched_engine import BatchedEngine
from .process import TrainerProcess, TrainerSetup

#: what Python and its libraries take in each process
_LIBRARIES_BYTES: Final = 2**29
#: of free memory, for processes before they train anything; a policy makes one three times as large
_MEMORY_SHARE: Final = 0.25


class ProcessPoolEngine:
    """Assigns each training to the engine with the least work left; the engines compute at the same time."""

    engine: EngineName = "batched"

    def __init__(self, engines: Sequence[BatchedEngine]) -> None:
        self._assignments: dict[BatchedEngine, list[_Assignment]] = {engine: [] for engine in engines}

    async def train(self, job: TrainingJob, folder: Path, tenant: str, hooks: Sequence[StepHook]) -> TrainingResult:
        assignment = _Assignment(await asyncio.to_thread(_work, job))
        engine = min(self._assignments, key=self._left)
        self._assignments[engine].append(assignment)
        try:
            return await engine.train(job, folder, tenant, [*hooks, assignment])
        finally:
            self._assignments[engine].remove(assignment)

    def _left(self, engine: BatchedEngine) -> float:
        return sum(assignment.left for assignment in self._assignments[engine])


class _Assignment:
    """A training of an engine, as the hook that knows how much of its work is left."""

    def __init__(self, work: float) -> None:
        self.left = self._work = work

    def between_steps(self, progress: TrainingProgress, seconds: float) -> Decision:
        self.left = self._work * (1 - progress.step / max(progress.total_steps, 1))
        return Decision.GO_ON


@contextmanager
def process_pool(
    runner: TorchRunner, cpu: CpuSharing, options: EngineOptions, load: Callable[[], LoadedModel]
) -> Generator[ProcessPoolEngine]:
    """Start one process per thread, which share the CPU with the answers; ends them at the end.

    Args:
        load: loads a process's model.
    """
    processes = cpu.threads
    runner.device.divide(cpu, use_threads)
    slots = -(-(options.slots or SLOTS["batched"]) // processes)
    setup = TrainerSetup(load, logging.getLevelName(logging.getLogger().level), slots, options.token_budget)
    with ExitStack() as stack:
        yield ProcessPoolEngine(
            [
                stack.enter_context(_engine(runner, cpu, setup, number, options.checkpoint_every_steps))
                for number in range(1, processes + 1)
            ]
        )


def copies_fit(model: LoadedModel, count: int) -> bool:
    """Whether `count` packed copies of the model fit in memory."""
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.model.parameters())
    return count * (2 * weights + _LIBRARIES_BYTES) <= available_bytes(model.device) * _MEMORY_SHARE


@contextmanager
def _engine(
    runner: TorchRunner, cpu: CpuSharing, setup: TrainerSetup, number: int, checkpoint_every_steps: int
) -> Generator[BatchedEngine]:
    loop = DeviceLoop(f"trainer-{number}").divide(cpu).start()
    trainer = TrainerProcess(setup, cpu.threads, lambda: loop.share.threads)
    cpu.ours(lambda: trainer.pid)
    runner.metrics.watch(loop)
    try:
        yield BatchedEngine(loop, runner.metrics, trainer, checkpoint_every_steps)
    finally:
        loop.stop()
        trainer.close()


def _work(job: TrainingJob) -> float:
    """Bytes to train on; 0 for a dataset that cannot be read, which the engine then refuses with the reason."""
    file = file_of(job.dataset)
    content = file.read_bytes() if file.is_file() else b""
    rows = max(content.count(b"\n"), 1)
    visits = rows * job.recipe.epochs
    if job.recipe.max_steps:
        visits = min(visits, job.recipe.max_steps * job.recipe.batch_size)
    return len(content) / rows * visits
