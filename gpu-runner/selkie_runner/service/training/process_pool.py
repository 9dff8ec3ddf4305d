"""A CPU of a few threads, divided: answers here, and a process for trainings for each of the threads."""

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from ...hardware import available_bytes
from ...jobs.dataset import file_of
from ...jobs.job import TrainingJob, TrainingResult
from ...models.loading import LoadedModel
from ..device.cpu_share import Cores
from ..device.loop import DeviceLoop
from ..runner import Runner
from .active import Training
from .batched_engine import BatchedEngine
from .choose import SLOTS, EngineOptions
from .device_meter import DeviceMeter
from .engine import EngineName
from .process import TrainerProcess, TrainerSetup

#: what Python and its libraries take in each process
_LIBRARIES_BYTES: Final = 2**29
#: of the memory that is free, for processes before they train anything; a policy makes one three times as large
_MEMORY_SHARE: Final = 0.25


class DividedEngine:
    """Deals trainings among engines that compute at the same time, each to the one with the least left to do."""

    name: EngineName = "batched"

    def __init__(self, engines: Sequence[BatchedEngine]) -> None:
        self._under_way: dict[BatchedEngine, list[tuple[Training, float]]] = {engine: [] for engine in engines}

    async def train(self, job: TrainingJob, folder: Path, training: Training, meter: DeviceMeter) -> TrainingResult:
        work = await asyncio.to_thread(_work, job)
        engine = min(self._under_way, key=self._left)
        dealt = (training, work)
        self._under_way[engine].append(dealt)
        try:
            return await engine.train(job, folder, training, meter)
        finally:
            self._under_way[engine].remove(dealt)

    def _left(self, engine: BatchedEngine) -> float:
        progress = [(work, training.progress) for training, work in self._under_way[engine]]
        return sum(work * (1 - at.step / max(at.total_steps, 1)) for work, at in progress)


@contextmanager
def divided(
    runner: Runner, cores: Cores, options: EngineOptions, load: Callable[[], LoadedModel]
) -> Generator[DividedEngine]:
    """Start a process for each thread, and let answers share the CPU with them; ends them in the end.

    Args:
        load: gives a process its model.
    """
    processes = cores.threads
    runner.device.divide(cores)
    slots = -(-(options.slots or SLOTS["batched"]) // processes)
    setup = TrainerSetup(load, logging.getLevelName(logging.getLogger().level), slots, options.token_budget)
    with ExitStack() as stack:
        yield DividedEngine(
            [
                stack.enter_context(_engine(runner, cores, setup, number, options.checkpoint_every_steps))
                for number in range(1, processes + 1)
            ]
        )


def copies_fit(model: LoadedModel, count: int) -> bool:
    """Whether so many processes can well have the model in memory, its products packed."""
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.model.parameters())
    return count * (2 * weights + _LIBRARIES_BYTES) <= available_bytes(model.device) * _MEMORY_SHARE


@contextmanager
def _engine(
    runner: Runner, cores: Cores, setup: TrainerSetup, number: int, checkpoint_every_steps: int
) -> Generator[BatchedEngine]:
    loop = DeviceLoop(f"trainer-{number}").divide(cores, elsewhere=True).start()
    trainer = TrainerProcess(setup, cores.threads, lambda: loop.part.threads)
    cores.ours(lambda: trainer.pid)
    runner.metrics.watch(loop)
    try:
        yield BatchedEngine(loop, runner.metrics, trainer, checkpoint_every_steps)
    finally:
        loop.stop()
        trainer.close()


def _work(job: TrainingJob) -> float:
    """How much there is to train on, in bytes; what cannot be read is nothing, and the engine says why."""
    file = file_of(job.dataset)
    content = file.read_bytes() if file.is_file() else b""
    rows = max(content.count(b"\n"), 1)
    visits = rows * job.recipe.epochs
    if job.recipe.max_steps:
        visits = min(visits, job.recipe.max_steps * job.recipe.batch_size)
    return len(content) / rows * visits
