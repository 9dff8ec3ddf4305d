"""The Temporal activities of the gpu queues: `trainAdapter` and `describeModel`."""

import asyncio
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from ...errors import EngineError, ModelNotFound
from ...wire import (
    RETRYABLE,
    Contract,
    DescribeModelRequest,
    DescribeModelResult,
    TrainFailure,
    TrainRequest,
    TrainResult,
    parse,
    problems,
)
from ..runner import Runner
from ..stopping import RunnerStopping
from ..training.manager import ActiveTraining, TrainingManager

#: how often a training reports; cancellation reaches it with the answer
_HEARTBEAT_SECONDS: Final = 1.0

_C = TypeVar("_C", bound=Contract)


class GpuActivities:
    """What the worker registers. Each takes one plain JSON object and gives one back."""

    def __init__(self, runner: Runner, trainings: TrainingManager) -> None:
        self._runner = runner
        self._trainings = trainings

    @activity.defn(name="trainAdapter")
    async def train_adapter(self, payload: Any) -> dict[str, Any]:
        """Train one adapter, or return what is published under its key."""
        training = self._trainings.follow(_parsed(TrainRequest, payload))
        try:
            return (await _reported(training)).payload()
        except EngineError as error:
            raise _application_error(error) from error
        except asyncio.CancelledError:
            if activity.is_worker_shutdown():
                raise RunnerStopping from None
            raise
        finally:
            await self._trainings.leave(training)

    @activity.defn(name="describeModel")
    async def describe_model(self, payload: Any) -> dict[str, Any]:
        """What this runner says of the model it holds; `ModelNotFound` for another."""
        request = _parsed(DescribeModelRequest, payload)
        model = self._runner.model
        if request.model != model.name:
            raise _application_error(
                ModelNotFound(f"this runner holds {model.name}, not {request.model}; start one with that model")
            )
        return DescribeModelResult(
            model=model.name,
            digest=model.digest,
            parameters=model.parameters,
            dtype=model.dtype,
            device=model.device,
            chat=model.chat,
            max_length=model.max_length,
        ).payload()


async def _reported(training: ActiveTraining) -> TrainResult:
    """Wait for a training and send its heartbeats."""
    while True:
        activity.heartbeat(training.progress.payload())
        done, _ = await asyncio.wait({training.task}, timeout=_HEARTBEAT_SECONDS)
        if done:
            return training.task.result()
        if activity.is_worker_shutdown():
            if training.progress.phase == "waiting":
                raise RunnerStopping("the training had not begun")
            training.stopping = True


def _parsed(kind: type[_C], payload: object) -> _C:
    try:
        return parse(kind, payload)
    except ValidationError as error:
        raise _failure("InvalidRequest", problems(error)) from error


def _application_error(error: EngineError) -> ApplicationError:
    used = error.device_seconds
    return _failure(
        error.error_type, str(error), *([] if used is None else [TrainFailure(device_seconds=used).payload()])
    )


def _failure(kind: str, message: str, *details: dict[str, Any]) -> ApplicationError:
    return ApplicationError(message, *details, type=kind, non_retryable=kind not in RETRYABLE)
