"""A divided CPU in the service: one process per training thread, trainings assigned by the work left."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import torch
from temporalio.testing import ActivityEnvironment

from selkie_runner.jobs.hooks import StepHook, decide
from selkie_runner.jobs.job import TrainingJob, TrainingProgress, TrainingResult
from selkie_runner.lora.peft_folder import read_adapter
from selkie_runner.models.loading import load_model
from selkie_runner.service.device.cpu_share import CpuSharing
from selkie_runner.service.temporal.activities import GpuActivities
from selkie_runner.service.training import process_pool as module
from selkie_runner.service.training.batched_engine import BatchedEngine
from selkie_runner.service.training.manager import TrainingManager
from selkie_runner.service.training.process_pool import ProcessPoolEngine, copies_fit, process_pool
from selkie_runner.service.training.solo_engine import SoloEngine
from service.training.engines_test import OPTIONS, TEXTS, forget, result, trained
from support.batched import recipe, texts
from support.service import TINY, cache_dir, dataset, running, tiny_model, train_payload

LOAD = partial(load_model, TINY, cache_dir(), "cpu")


def test_trainings_in_processes_are_near_solo_and_metered(tmp_path: Path):
    with running(tmp_path) as runner, process_pool(runner, CpuSharing(2), OPTIONS, LOAD) as engine:
        together = trained(runner, tmp_path / "work", engine)
        metrics = runner.metrics.text().decode()
        forget(runner.store)
        for one, solo in zip(together, trained(runner, tmp_path / "work", SoloEngine(runner, 3)), strict=True):
            assert (result(one)["engine"], result(one)["steps"]) == ("batched", result(solo)["steps"])
            assert result(one)["finalLoss"] == pytest.approx(result(solo)["finalLoss"], rel=1e-4)
            layers = [read_adapter(runner.store.open(result(x)["adapter"]["layer"]["uri"])) for x in (one, solo)]
            for name, b in layers[1].b.items():
                assert torch.linalg.vector_norm(layers[0].b[name] - b) < 2e-2 * torch.linalg.vector_norm(b), name
    assert all(result(one)["deviceSeconds"] > 0 for one in together)
    steps = sum(result(one)["steps"] for one in together)
    assert f"selkie_training_steps_total {steps:.1f}" in metrics
    [busy] = [line for line in metrics.splitlines() if 'busy_seconds_total{lane="train"}' in line]
    assert float(busy.split()[-1]) > 0


def test_a_runner_that_stops_keeps_what_was_trained(tmp_path: Path):
    with running(tmp_path) as runner, process_pool(runner, CpuSharing(2), OPTIONS, LOAD) as engine:
        trainings = TrainingManager(runner, tmp_path / "work", engine)
        activities = GpuActivities(runner, trainings)
        data = dataset(runner.store, tmp_path / "data", TEXTS)

        async def scenario() -> None:
            payloads = [train_payload(runner.model, data, key=key, steps=0, batchSize=1) for key in "ab"]
            attempts = asyncio.gather(
                *(ActivityEnvironment().run(activities.train_adapter, payload) for payload in payloads),
                return_exceptions=True,
            )
            while sum(one.progress.step > 0 for one in trainings.under_way()) < 2:
                assert not attempts.done()
                await asyncio.sleep(0.005)
            for one in trainings.under_way():
                one.stopping = True
            for error in await asyncio.wait_for(attempts, 20):
                assert "the runner is shutting down; step" in str(error)

        asyncio.run(scenario())
    assert len(list((tmp_path / "work" / "trainings").glob("*/checkpoint.safetensors"))) == 2


class RecordingEngine:
    """Trains nothing: notes what it was given, and is under way until let go."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.hooks: dict[str, Sequence[StepHook]] = {}
        self.let_go = asyncio.Event()

    async def train(self, job: TrainingJob, folder: Path, tenant: str, hooks: Sequence[StepHook]) -> TrainingResult:
        self.given.append(job.training_key)
        self.hooks[job.training_key] = hooks
        await self.let_go.wait()
        raise NotImplementedError


def test_each_training_goes_where_the_least_is_left_to_do(tmp_path: Path):
    def job(key: str, rows: int, steps: int) -> TrainingJob:
        data = texts(tmp_path / key, ["Of the same length."] * rows)
        return TrainingJob(key, [], data, recipe(epochs=100, max_steps=steps), seed=1)

    async def scenario() -> list[list[str]]:
        engines = [RecordingEngine(), RecordingEngine()]
        dealer = ProcessPoolEngine(cast(list[BatchedEngine], engines))
        attempts: list[asyncio.Task[TrainingResult]] = []

        async def deal(key: str, rows: int, steps: int) -> None:
            attempts.append(asyncio.create_task(dealer.train(job(key, rows, steps), tmp_path, "demo", [])))
            while sum(len(engine.given) for engine in engines) < len(attempts):
                await asyncio.sleep(0.001)

        await deal("long", 4, 30)
        for key in ("short-1", "short-2", "short-3"):
            await deal(key, 4, 8)
        decide(engines[0].hooks["long"], TrainingProgress("training", 29, 30, 1.0, 0), 1.0)
        await deal("after the long one's last but one step", 4, 8)
        missing = TrainingJob("unreadable", [], tmp_path / "none", recipe(), seed=1)
        attempts.append(asyncio.create_task(dealer.train(missing, tmp_path, "demo", [])))
        for engine in engines:
            engine.let_go.set()
        await asyncio.gather(*attempts, return_exceptions=True)
        return [engine.given for engine in engines]

    first, second = asyncio.run(scenario())
    assert first[:2] == ["long", "after the long one's last but one step"]
    assert second[:3] == ["short-1", "short-2", "short-3"]
    assert "unreadable" in [*first, *second]


def test_processes_are_started_only_where_their_copies_fit(monkeypatch: pytest.MonkeyPatch):
    def available_bytes(_: torch.device) -> int:
        return 2**32

    monkeypatch.setattr(module, "available_bytes", available_bytes)
    assert copies_fit(tiny_model(), 1)
    assert not copies_fit(tiny_model(), 2)
