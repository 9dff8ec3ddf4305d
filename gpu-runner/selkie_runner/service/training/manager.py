"""Trainings by key: done once, shared by overlapping attempts, resumed from their checkpoint. Knows no Temporal."""

import asyncio
import fcntl
import logging
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ...errors import (
    ArtifactMissing,
    CorruptArtifact,
    Diverged,
    EngineError,
    InvalidDataset,
    ModelNotFound,
    disk_errors,
)
from ...jobs.hooks import Decision
from ...jobs.job import Recipe, Replay, TrainingJob, TrainingProgress, TrainingResult
from ...logs import event
from ...ports import Trainer
from ...store.artifacts import ADAPTER, ArtifactRef, ArtifactStore
from ...store.work_folder import CHECKPOINT, LOCK
from ...wire import AdapterRef, ArtifactRefPayload, TrainHeartbeat, TrainRequest, TrainResult
from ..runner import Runner
from ..stopping import RunnerStopping
from .device_meter import DeviceMeter
from .publication_index import PublishedTrainings

_LOCK_POLL_SECONDS: Final = 0.2

logger = logging.getLogger(__name__)


class ActiveTraining:
    """A training under way in this process, followed by its attempts: the `StepHook` that interrupts it at a stop.

    Attributes:
        task: its result; cancelled when the last follower leaves.
        progress: for the next heartbeat.
        stopping: interrupt it, keeping its last step.
    """

    task: asyncio.Task[TrainResult]

    def __init__(self) -> None:
        self.progress = TrainHeartbeat(phase="waiting", step=0, total_steps=0, loss=None, checkpoint=0)
        self.stopping = False
        self.followers = 0

    def between_steps(self, progress: TrainingProgress, seconds: float) -> Decision:
        """Keep the progress for the next heartbeat."""
        if progress.total_steps:  # until then it waits for a slot
            self.progress = TrainHeartbeat(
                phase=progress.phase,
                step=progress.step,
                total_steps=progress.total_steps,
                loss=progress.loss,
                checkpoint=progress.checkpoint,
            )
        return Decision.INTERRUPT if self.stopping else Decision.GO_ON


class TrainingManager:
    """Starts and shares the trainings of one runner.

    Work in progress lives in `<work>/trainings/<trainingKey>/`: checkpoint, device-seconds, and a lock that keeps other
    processes out. It is removed once the result is published.
    """

    def __init__(self, runner: Runner, work: Path, trainer: Trainer) -> None:
        self._runner = runner
        self._trainer = trainer
        self._published = PublishedTrainings(runner.store)
        self._work = work
        self._running: dict[str, ActiveTraining] = {}

    def follow(self, request: TrainRequest) -> ActiveTraining:
        """Join the training of that key, or start it. Every follower must `leave`."""
        training = self._running.get(request.training_key)
        if training is None or training.task.done():
            training = ActiveTraining()
            training.task = asyncio.create_task(self._train(request, training))
            self._running[request.training_key] = training
        training.followers += 1
        return training

    async def leave(self, training: ActiveTraining) -> None:
        """Stop following. The last to leave an unfinished training cancels it and waits until the device is free."""
        training.followers -= 1
        if training.followers:
            return
        # at once, so that a new attempt starts afresh instead of joining what is being cancelled
        self._running = {key: other for key, other in self._running.items() if other is not training}
        if not training.task.done():
            training.task.cancel()
            await asyncio.wait({training.task})

    def under_way(self) -> list[ActiveTraining]:
        """The trainings that this process works on or waits with, oldest first."""
        return list(self._running.values())

    async def _train(self, request: TrainRequest, training: ActiveTraining) -> TrainResult:
        key = request.training_key
        outcome = "failed"
        try:
            with disk_errors():
                # the first look, before any lock: what is published costs no device and needs no base
                result = await asyncio.to_thread(self._published.find, key)
                if result is None:
                    self._check_base(request)
                    async with _locked(self._folder(key) / LOCK):
                        result = await asyncio.to_thread(self._published.find, key)
                        if result is None:
                            result = await self._work_on(request, training)
                        shutil.rmtree(self._folder(key), ignore_errors=True)
            outcome = "published"
            return result
        except (asyncio.CancelledError, RunnerStopping):
            outcome = "interrupted"
            raise
        except EngineError as error:
            outcome = error.error_type
            raise
        finally:
            self._runner.metrics.trainings.labels(outcome).inc()
            event(logger, logging.INFO, "training_ended", trainingKey=key, outcome=outcome, tenant=request.tenant)

    async def _work_on(self, request: TrainRequest, training: ActiveTraining) -> TrainResult:
        folder = self._folder(request.training_key)
        job = await asyncio.to_thread(_job, self._runner.store, request)
        meter = DeviceMeter(folder, request.max_device_seconds)
        try:
            trained = await self._trainer.train(job, folder, request.tenant, [meter, training])
        except EngineError as error:
            error.device_seconds = meter.seconds
            if isinstance(error, Diverged):
                (folder / CHECKPOINT).unlink(missing_ok=True)  # from here it would only diverge again
            raise
        finally:
            meter.save()
        return await asyncio.to_thread(self._publish, request, trained, meter.seconds)

    def _publish(self, request: TrainRequest, trained: TrainingResult, device_seconds: float) -> TrainResult:
        layer = self._runner.store.publish(trained.layer_dir, ADAPTER)
        served = self._runner.store.publish(trained.served_dir, ADAPTER)
        return self._published.record(
            TrainResult(
                training_key=request.training_key,
                adapter=AdapterRef(layer=_payload(layer), served=_payload(served), rank=trained.rank),
                steps=trained.steps,
                tokens=trained.tokens,
                final_loss=trained.final_loss,
                update_norm=trained.update_norm,
                device_seconds=device_seconds,
                engine=self._trainer.engine,
                resumed_from_step=trained.resumed_from_step,
            )
        )

    def _check_base(self, request: TrainRequest) -> None:
        model = self._runner.model
        if (request.base, request.base_digest) != (model.name, model.digest):
            raise ModelNotFound(
                f"this runner holds {model.name} with digest {model.digest}; the training is for {request.base} with"
                f" digest {request.base_digest}. Start a runner with that model, or train again from this one."
            )

    def _folder(self, training_key: str) -> Path:
        return self._work / "trainings" / training_key


def _job(store: ArtifactStore, request: TrainRequest) -> TrainingJob:
    """The engine's job; opens every artifact, which checks its bytes."""
    try:
        dataset = store.open(request.dataset.uri)
        replayed = None if request.replay is None else store.open(request.replay.dataset.uri)
    except (ArtifactMissing, CorruptArtifact) as error:
        raise InvalidDataset(str(error)) from error
    return TrainingJob(
        training_key=request.training_key,
        stack=[store.open(adapter.layer.uri) for adapter in request.stack],
        dataset=dataset,
        recipe=Recipe(**request.recipe.model_dump()),
        seed=request.seed,
        replay=None if request.replay is None or replayed is None else Replay(replayed, request.replay.ratio),
    )


def _payload(ref: ArtifactRef) -> ArtifactRefPayload:
    return ArtifactRefPayload(uri=ref.uri, sha256=ref.sha256, bytes=ref.bytes, media_type=ref.media_type)


@asynccontextmanager
async def _locked(file: Path) -> AsyncGenerator[None]:
    """Hold a lock against other processes and other attempts in this one; it goes with the process that held it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_POLL_SECONDS)
        yield
