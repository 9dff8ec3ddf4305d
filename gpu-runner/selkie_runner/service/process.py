"""One gpu-runner process from start to end: model, HTTP server, Temporal worker, shutdown."""

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import asdict
from typing import Final

import uvicorn

from ..errors import ModelNotFound
from ..logs import event
from ..models.registry import load_registry
from ..models.spec import ModelSpec
from ..store.artifacts import ArtifactStore
from .cleanup import sweep
from .http.app import create_app
from .options import SLOTS, Options
from .runner import Backend
from .stopping import RunnerBroken
from .temporal.activities import GpuActivities
from .temporal.worker import work
from .training.manager import TrainingManager

#: requests under way when the process is told to stop have this long
_HTTP_GRACE_SECONDS: Final = 5

logger = logging.getLogger(__name__)


async def serve(options: Options) -> None:
    """Run until SIGTERM or SIGINT. Prints one line of JSON on stdout when it can answer.

    Raises:
        EngineError: the registry or the model cannot be loaded.
        OSError: the port is taken.
        RunnerBroken: it could not continue; the process's supervisor starts another.
    """
    stopping = _stop_on_signals()
    with socket.create_server((options.http_host, options.http_port)) as listener:
        async with _backend(options) as backend:
            await _serve(options, backend, listener, stopping)


def _backend(options: Options) -> AbstractAsyncContextManager[Backend]:
    """The engine of the options. Only the one that is asked for is imported: torch takes seconds, and memory."""
    spec, store = _spec_of(options), ArtifactStore(options.store)
    if options.training.engine == "simulated":
        from .simulated_backend import open_simulated  # noqa: PLC0415

        return open_simulated(options, spec, store)
    from .torch_backend import open_torch  # noqa: PLC0415

    return open_torch(options, spec, store)


async def _serve(options: Options, backend: Backend, listener: socket.socket, stopping: asyncio.Event) -> None:
    await asyncio.to_thread(sweep, options.store, options.work, options.models_cache)
    trainings = TrainingManager(backend.runner, options.work, backend.trainer)
    server = _Server(
        uvicorn.Config(
            create_app(backend.runner, options.serving),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_HTTP_GRACE_SECONDS,
        )
    )
    http = asyncio.create_task(server.serve([listener]))
    await _until_started(server, http)
    _say_ready(options, listener, backend)
    lost = asyncio.wrap_future(backend.runner.device.lost)
    lost.add_done_callback(lambda _: stopping.set())
    http.add_done_callback(lambda _: stopping.set())
    if options.temporal:
        slots = options.training.slots or SLOTS[backend.trainer.engine]
        await work(GpuActivities(backend.runner, trainings), options.task_queue, slots, stopping)
    else:
        await stopping.wait()
    event(logger, logging.INFO, "stopping")
    broken = str(lost.result()) if lost.done() else "the HTTP server ended by itself" if http.done() else None
    server.should_exit = True
    await http
    if broken is not None:
        raise RunnerBroken(broken)


class _Server(uvicorn.Server):
    """A server that leaves the signals to this process, which has more to stop than HTTP."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _spec_of(options: Options) -> ModelSpec:
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


def _say_ready(options: Options, listener: socket.socket, backend: Backend) -> None:
    model = backend.runner.model
    address = f"http://{options.http_host}:{listener.getsockname()[1]}"
    ready = {"event": "ready", "http": address, "model": model.name, "digest": model.digest}
    print(json.dumps(ready), flush=True)
    event(
        logger,
        logging.INFO,
        "ready",
        http=address,
        model=model.name,
        device=model.device,
        **asdict(backend.capabilities),
    )
