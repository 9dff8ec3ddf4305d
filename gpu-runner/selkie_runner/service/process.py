"""One gpu-runner process from start to end: model, HTTP server, Temporal worker, shutdown."""

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import torch
import uvicorn

from ..batched.kernels.parallel import MOST_STREAMS, use_threads
from ..errors import ModelNotFound
from ..logs import event
from ..models.loading import LoadedModel, load_model
from ..models.registry import ModelSpec, load_registry
from ..store.artifacts import ArtifactStore
from .cleanup import sweep
from .device.cpu_share import Cores
from .device.loop import DeviceLoop, result_of
from .device.neighbours import Neighbours
from .http.app import create_app
from .runner import Runner, ServingOptions, assemble
from .temporal.activities import GpuActivities
from .temporal.worker import work
from .training.choose import SLOTS, EngineOptions, build_engine
from .training.engine import Engine
from .training.manager import Trainings
from .training.process_pool import copies_fit, divided

#: requests under way when the process is told to stop have this long
_HTTP_GRACE_SECONDS: Final = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How a process runs; `main` documents each."""

    models: Path | None
    model: str
    store: Path
    work: Path
    cache: Path
    device: str
    threads: int | None
    http_host: str
    http_port: int
    temporal: bool
    task_queue: str
    training: EngineOptions
    serving: ServingOptions


async def serve(options: Options) -> None:
    """Run until SIGTERM or SIGINT. Prints one line of JSON on stdout when it can answer.

    Raises:
        EngineError: the registry or the model cannot be loaded.
        OSError: the port is taken.
    """
    stopping = _stop_on_signals()
    listener = socket.create_server((options.http_host, options.http_port))
    device = DeviceLoop().start()
    try:
        await limit_threads(device, options.threads)
        load = partial(load_model, _model_of(options), options.cache, options.device)
        model = await result_of(device.call(load, name="load model"))
        runner = assemble(model, device, ArtifactStore(options.store), options.serving)
        threads = await result_of(device.call(torch.get_num_threads, name="ask threads"))
        with _engine(options, runner, threads, load) as engine:
            await _serve(options, runner, engine, listener, stopping)
    finally:
        await asyncio.to_thread(device.stop)
        listener.close()


async def _serve(
    options: Options, runner: Runner, engine: Engine, listener: socket.socket, stopping: asyncio.Event
) -> None:
    await asyncio.to_thread(sweep, options.store, options.work, options.cache)
    trainings = Trainings(runner, options.work, engine)
    server = _Server(
        uvicorn.Config(
            create_app(runner), log_config=None, access_log=False, timeout_graceful_shutdown=_HTTP_GRACE_SECONDS
        )
    )
    http = asyncio.create_task(server.serve([listener]))
    await _until_started(server, http)
    _say_ready(options, listener, runner.model, engine)
    if options.temporal:
        slots = options.training.slots or SLOTS[engine.name]
        await work(GpuActivities(runner, trainings), options.task_queue, slots, stopping)
    else:
        await stopping.wait()
    event(logger, logging.INFO, "stopping")
    server.should_exit = True
    await http


def _engine(
    options: Options, runner: Runner, threads: int, load: Callable[[], LoadedModel]
) -> AbstractContextManager[Engine]:
    batched = options.training.engine == "batched" and runner.base is not None
    # what is to repeat bit for bit must not depend on what runs beside it
    repeats = options.training.deterministic or options.serving.decode_batch == 1 or not batched
    if runner.model.device.type == "cpu":
        cores = Cores(threads, Neighbours(), give_way=not repeats)
        if options.temporal and not repeats and 1 < threads <= MOST_STREAMS and copies_fit(runner.model, threads):
            return divided(runner, cores, options.training, load)
        runner.device.divide(cores)
    return nullcontext(build_engine(runner, options.training))


class _Server(uvicorn.Server):
    """A server that leaves the signals to this process, which has more to stop than HTTP."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def limit_threads(device: DeviceLoop, threads: int | None) -> None:
    """Let the device's thread use `threads` of the CPU (None: as many as torch likes) and every other thread one."""
    usual = torch.get_num_threads()
    await result_of(device.call(lambda: use_threads(threads or usual), name="set threads"))
    use_threads(1)


def _model_of(options: Options) -> ModelSpec:
    registry = load_registry(options.models)
    if options.model not in registry:
        raise ModelNotFound(f"{options.model} is not in the model registry, which has {', '.join(registry)}")
    return registry[options.model]


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


async def _until_started(server: uvicorn.Server, http: asyncio.Task[None]) -> None:
    while not server.started:
        await asyncio.wait({http}, timeout=0.01)
        if http.done():
            http.result()
            raise RuntimeError("the HTTP server ended while it started")


def _say_ready(options: Options, listener: socket.socket, model: LoadedModel, engine: Engine) -> None:
    host, port = options.http_host, listener.getsockname()[1]
    ready = {"event": "ready", "http": f"http://{host}:{port}", "model": model.name, "digest": model.digest}
    print(json.dumps(ready), flush=True)
    event(
        logger,
        logging.INFO,
        "ready",
        http=ready["http"],
        model=model.name,
        device=str(model.device),
        engine=engine.name,
    )
