"""The Temporal workers: connecting, waiting for a server that is not there yet, stopping without losing steps."""

import asyncio
import logging
import os
import socket
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.worker import Worker

from ...logs import event
from .activities import GpuActivities

_DEFAULT_ADDRESS: Final = "localhost:7233"
_RETRY_SECONDS: Final = (0.5, 1, 2, 5)
#: core sends heartbeats no more often than this, and learns of cancellation with the answer (its default is a minute)
_HEARTBEAT_THROTTLE: Final = timedelta(seconds=2)
#: after SIGTERM a training may run on to its next checkpoint for this long
_GRACE: Final = timedelta(seconds=10)

logger = logging.getLogger(__name__)


async def work(activities: GpuActivities, task_queue: str, slots: int, stopping: asyncio.Event) -> None:
    """Serve activities until `stopping`; what cannot connect, or fails to start, is tried again without end.

    Where to connect comes from Temporal's own environment configuration (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`,
    `TEMPORAL_PROFILE`, …).
    """
    attempt = 0
    while not stopping.is_set():
        try:
            await _serve(activities, task_queue, slots, stopping)
        except Exception as error:  # no server, no namespace, a worker that broke: all of them may pass
            delay = _RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)]
            attempt += 1
            event(logger, logging.WARNING, "temporal_waiting", attempt=attempt, retrySeconds=delay, reason=str(error))
            await _either(stopping.wait(), asyncio.sleep(delay))


def info_queue_of(task_queue: str) -> str:
    """The queue of what asks about a runner rather than for its device: `infoQueueOf` of `src/contract/names.ts`."""
    return f"{task_queue}-info"


async def _serve(activities: GpuActivities, task_queue: str, slots: int, stopping: asyncio.Event) -> None:
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", _DEFAULT_ADDRESS)
    client = await Client.connect(**config, runtime=_runtime())
    identity = f"gpu-runner/{socket.gethostname()}/{os.getpid()}"
    trainings = Worker(
        client,
        task_queue=task_queue,
        activities=[activities.train_adapter],
        max_concurrent_activities=slots,
        max_heartbeat_throttle_interval=_HEARTBEAT_THROTTLE,
        default_heartbeat_throttle_interval=_HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=_GRACE,
        identity=identity,
    )
    # a second queue: on the first, questions would wait behind every training that waits for a slot
    questions = Worker(
        client, task_queue=info_queue_of(task_queue), activities=[activities.describe_model], identity=identity
    )
    event(
        logger,
        logging.INFO,
        "temporal_connected",
        address=config.get("target_host"),
        namespace=client.namespace,
        taskQueue=task_queue,
        slots=slots,
    )
    workers = (trainings, questions)
    running = [asyncio.create_task(worker.run()) for worker in workers]
    await _either(stopping.wait(), asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED))
    # where one ended by itself, both are started again
    await asyncio.gather(*(worker.shutdown() for worker, task in zip(workers, running, strict=True) if not task.done()))
    await asyncio.gather(*running)


async def _either(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait for the first of several, and give up the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _runtime() -> Runtime:
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporal.core"))
    levels = TelemetryFilter(core_level="WARN", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=levels, forwarding=forwarding)))
