"""Loads a model with PyTorch, and builds the runner and the trainer over it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import Final

import torch

from ..batched import BatchedTrainer
from ..batched.kernels.parallel import MAX_STREAMS, use_threads
from ..lora.weights import SERVED_RANKS
from ..models.loading import LoadedModel, load_model, send_logs_to_root
from ..models.spec import ModelSpec
from ..ports import Capabilities, Trainer
from ..store.artifacts import ArtifactStore
from .device.cpu_share import CpuSharing
from .device.loop import DeviceLoop, result_of
from .device.neighbours import Neighbours
from .options import SLOTS, EngineOptions, Options
from .runner import Backend
from .torch_runner import TorchRunner, assemble
from .training.batched_engine import BatchedEngine
from .training.process_pool import copies_fit, process_pool
from .training.solo_engine import SoloEngine

_MAX_RANK: Final = SERVED_RANKS[-1]


@asynccontextmanager
async def open_torch(options: Options, spec: ModelSpec, store: ArtifactStore) -> AsyncGenerator[Backend]:
    """Load the model on its device's thread; stops the thread at the end.

    Raises:
        EngineError: the model cannot be loaded.
    """
    send_logs_to_root()
    device = DeviceLoop().start()
    try:
        await limit_threads(device, options.threads)
        load = partial(load_model, spec, options.models_cache, options.device)
        loaded = await result_of(device.call(load, name="load model"))
        runner = assemble(loaded, device, store, options.serving, deterministic=options.training.deterministic)
        threads = await result_of(device.call(torch.get_num_threads, name="ask threads"))
        with _trainer(options, runner, threads, load) as trainer:
            yield Backend(runner, trainer, _capabilities(options, runner, trainer))
    finally:
        await asyncio.to_thread(device.stop)


async def limit_threads(device: DeviceLoop, threads: int | None) -> None:
    """Let the device's thread use `threads` of the CPU (None: as many as torch likes) and every other thread one."""
    usual = torch.get_num_threads()
    await result_of(device.call(lambda: use_threads(threads or usual), name="set threads"))
    use_threads(1)


def build_trainer(runner: TorchRunner, options: EngineOptions) -> Trainer:
    """The engine of the options, or the solo engine where the batched one cannot compute the model."""
    if options.engine == "solo" or runner.base is None:
        return SoloEngine(runner, options.checkpoint_every_steps)
    trainer = BatchedTrainer(
        runner.loaded,
        options.slots or SLOTS["batched"],
        options.token_budget,
        base=runner.base,
        deterministic=options.deterministic,
    )
    return BatchedEngine(runner.device, runner.metrics, trainer, options.checkpoint_every_steps)


def _trainer(
    options: Options, runner: TorchRunner, threads: int, load: Callable[[], LoadedModel]
) -> AbstractContextManager[Trainer]:
    repeats = _repeats(options, runner)
    if runner.loaded.device.type == "cpu":
        # what is to repeat bit for bit must not depend on what runs at the same time
        cpu = CpuSharing(threads, Neighbours(), give_way=not repeats)
        if options.temporal and not repeats and 1 < threads <= MAX_STREAMS and copies_fit(runner.loaded, threads):
            return process_pool(runner, cpu, options.training, load)
        runner.device.divide(cpu, use_threads)
    return nullcontext(build_trainer(runner, options.training))


def _repeats(options: Options, runner: TorchRunner) -> bool:
    batched = options.training.engine == "batched" and runner.base is not None
    return options.training.deterministic or not batched


def _capabilities(options: Options, runner: TorchRunner, trainer: Trainer) -> Capabilities:
    return Capabilities(
        engine=trainer.engine,
        trains=True,
        generates=True,
        scores=True,
        exports=True,
        deterministic=options.training.deterministic,
        max_rank=_MAX_RANK,
        max_rows=options.serving.decode_batch,
    )
