"""Choosing an engine, and what the batched one does in the service beyond what every engine does."""

import asyncio
import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from selkie_runner.batched import BatchedTrainer
from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.training import passes
from selkie_runner.lora.peft_folder import read_adapter
from selkie_runner.main import main
from selkie_runner.models.spec import Dtype
from selkie_runner.ports import Trainer
from selkie_runner.rows import ScoreRow
from selkie_runner.service.options import EngineOptions
from selkie_runner.service.temporal.activities import GpuActivities
from selkie_runner.service.torch_backend import build_trainer
from selkie_runner.service.torch_runner import TorchRunner, assemble
from selkie_runner.service.training.batched_engine import BatchedEngine
from selkie_runner.service.training.manager import TrainingManager
from selkie_runner.service.training.solo_engine import SoloEngine
from selkie_runner.store.artifacts import ArtifactStore
from support.service import dataset, running, train_payload, write_random_adapter

TEXTS = ["The seal eats fish.", "A lamp.", "The harbour closes at low tide.", "Wind and ice."]
OPTIONS = EngineOptions(engine="batched", checkpoint_every_steps=3)


@pytest.fixture
def runner(tmp_path: Path) -> Generator[TorchRunner]:
    with running(tmp_path) as runner:
        yield runner


def trained(
    runner: TorchRunner, work: Path, engine: Trainer, keys: str = "abcd", **options: Any
) -> list[dict[str, Any] | BaseException]:
    """Concurrent trainings of all keys, each on its own seed and data; results or errors."""
    activities = GpuActivities(runner, TrainingManager(runner, work, engine))

    def payload(key: str) -> dict[str, Any]:
        number = "abcd".index(key)
        data = dataset(runner.store, work / f"data-{key}", TEXTS[: 1 + number])
        return {**train_payload(runner.model, data, key=key, learningRate=1e-3, **options), "seed": number}

    async def scenario() -> list[dict[str, Any] | BaseException]:
        attempts = [ActivityEnvironment().run(activities.train_adapter, payload(key)) for key in keys]
        return await asyncio.gather(*attempts, return_exceptions=True)

    return asyncio.run(scenario())


def result(outcome: dict[str, Any] | BaseException) -> dict[str, Any]:
    assert not isinstance(outcome, BaseException), outcome
    return outcome


def forget(store: ArtifactStore) -> None:
    """Drop what is published, so that the same keys are trained again."""
    for entry in (store.root / "trainings").glob("*.json"):
        entry.unlink()


def test_concurrent_trainings_are_near_solo(runner: TorchRunner, tmp_path: Path):
    engine = build_trainer(runner, OPTIONS)
    assert isinstance(engine, BatchedEngine)
    together = trained(runner, tmp_path / "work", engine)
    forget(runner.store)
    for batched, solo in zip(together, trained(runner, tmp_path / "work", SoloEngine(runner, 3)), strict=True):
        assert (result(batched)["engine"], result(solo)["engine"]) == ("batched", "solo")
        assert result(batched)["finalLoss"] == pytest.approx(result(solo)["finalLoss"], rel=1e-4)
        layers = [read_adapter(runner.store.open(result(one)["adapter"]["layer"]["uri"])) for one in (batched, solo)]
        for module, b in layers[1].b.items():
            assert torch.linalg.vector_norm(layers[0].b[module] - b) < 2e-2 * torch.linalg.vector_norm(b), module


def test_deterministic_trainings_publish_the_same_bytes_alone_and_together(runner: TorchRunner, tmp_path: Path):
    engine = BatchedEngine(runner.device, runner.metrics, BatchedTrainer(runner.loaded, slots=2, deterministic=True), 3)
    together = trained(runner, tmp_path / "work", engine)
    forget(runner.store)
    for key, one in zip("abcd", together, strict=True):
        [alone] = trained(runner, tmp_path / "work", engine, keys=key)
        assert result(alone)["adapter"] == result(one)["adapter"]


def test_a_training_beyond_the_slots_waits_and_is_cancelled_at_once(runner: TorchRunner, tmp_path: Path):
    engine = BatchedEngine(runner.device, runner.metrics, BatchedTrainer(runner.loaded, slots=1), 3)
    trainings = TrainingManager(runner, tmp_path / "work", engine)
    activities = GpuActivities(runner, trainings)
    data = dataset(runner.store, tmp_path / "data", TEXTS)

    async def scenario() -> None:
        environments = [ActivityEnvironment() for _ in range(2)]
        attempts = [
            asyncio.create_task(
                environment.run(
                    activities.train_adapter, train_payload(runner.model, data, key=key, steps=0, batchSize=1)
                )
            )
            for key, environment in zip("ab", environments, strict=True)
        ]
        while not any(training.progress.step for training in trainings.under_way()):
            await asyncio.sleep(0.005)
        assert {training.progress.phase for training in trainings.under_way()} == {"training", "waiting"}
        for environment, attempt in zip(reversed(environments), reversed(attempts), strict=True):
            environment.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(attempt, 2)

    asyncio.run(scenario())
    assert runner.device.queued()["train"] == 0


def test_a_job_that_breaks_the_pass_fails_alone(runner: TorchRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = passes.forward_backward

    def broken(decoder: FrozenBase, plan: Any, terms: Any) -> torch.Tensor:
        if any(term.weights.layout.rank == 3 for term in terms):
            raise RuntimeError("no kernel for this shape")
        return whole(decoder, plan, terms)

    monkeypatch.setattr(passes, "forward_backward", broken)
    engine = BatchedEngine(runner.device, runner.metrics, BatchedTrainer(runner.loaded), 3)
    activities = GpuActivities(runner, TrainingManager(runner, tmp_path / "work", engine))
    data = dataset(runner.store, tmp_path / "data", TEXTS)

    async def scenario() -> list[Any]:
        payloads = [train_payload(runner.model, data, key=key, rank=rank) for key, rank in (("a", 4), ("b", 3))]
        attempts = [ActivityEnvironment().run(activities.train_adapter, payload) for payload in payloads]
        return await asyncio.gather(*attempts, return_exceptions=True)

    good, bad = asyncio.run(scenario())
    assert good["steps"] == 8
    assert isinstance(bad, RuntimeError)


def test_a_defect_of_the_engine_ends_what_runs_and_the_next_training_starts_afresh(
    runner: TorchRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trainer = BatchedTrainer(runner.loaded)
    engine = BatchedEngine(runner.device, runner.metrics, trainer, 3)
    with monkeypatch.context() as patch:

        def defect() -> int:
            raise ZeroDivisionError

        patch.setattr(trainer, "_fitting_tokens", defect)
        assert all(isinstance(one, ZeroDivisionError) for one in trained(runner, tmp_path / "work", engine, keys="ab"))
    assert trainer.idle
    assert result(trained(runner, tmp_path / "work", engine, keys="a")[0])["steps"] == 8


def test_a_device_that_stops_ends_every_training(runner: TorchRunner, tmp_path: Path):
    engine = BatchedEngine(runner.device, runner.metrics, BatchedTrainer(runner.loaded), 3)
    trainings = TrainingManager(runner, tmp_path / "work", engine)
    activities = GpuActivities(runner, trainings)
    data = dataset(runner.store, tmp_path / "data", TEXTS)

    async def scenario() -> list[Any]:
        payloads = [train_payload(runner.model, data, key=key, steps=0) for key in "ab"]
        attempts = asyncio.gather(
            *(ActivityEnvironment().run(activities.train_adapter, payload) for payload in payloads),
            return_exceptions=True,
        )
        while not any(training.progress.step for training in trainings.under_way()):
            await asyncio.sleep(0.005)
        await asyncio.to_thread(runner.device.stop, 5)
        return await asyncio.wait_for(attempts, 5)

    assert {str(error) for error in asyncio.run(scenario())} == {"the runner is shutting down"}
    assert "the runner is shutting down" in str(trained(runner, tmp_path / "late", engine, keys="c")[0])


def test_the_share_of_each_training_is_metered(runner: TorchRunner, tmp_path: Path):
    engine = BatchedEngine(runner.device, runner.metrics, BatchedTrainer(runner.loaded), 3)
    results = [result(one) for one in trained(runner, tmp_path / "work", engine)]
    used = sum(one["deviceSeconds"] for one in results)
    assert 0 < used <= runner.device.busy_seconds["train"]
    forget(runner.store)
    [refused] = trained(runner, tmp_path / "other", engine, keys="a", max_device_seconds=1e-9)
    assert isinstance(refused, ApplicationError)
    assert refused.type == "DeviceBudgetExceeded"


def test_what_the_batched_engine_cannot_compute_is_trained_solo(
    runner: TorchRunner, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(runner.loaded.model.config, "model_type", "mamba")
    with caplog.at_level(logging.WARNING):
        mamba = assemble(runner.loaded, runner.device, runner.store)
    assert isinstance(build_trainer(mamba, OPTIONS), SoloEngine)
    [line] = caplog.records
    assert "architecture 'mamba'" in str(vars(line)["fields"])


def test_a_base_in_bf16_trains_and_answers_close_to_one_in_fp32(tmp_path: Path):
    def losses(dtype: Dtype) -> tuple[float, float]:
        root = tmp_path / dtype
        with running(root, dtype) as runner:
            [outcome] = trained(runner, root / "work", build_trainer(runner, OPTIONS), keys="a")
            tokens = tuple(runner.loaded.tokenizer(TEXTS[2])["input_ids"])
            folder = write_random_adapter(root / "store" / "adapter", runner.loaded, seed=0, size=0.1)
            adapter = asyncio.run(runner.adapters.load("random", str(folder), in_place=False))
            [scored] = asyncio.run(runner.scorer.answer(adapter, [ScoreRow(tokens, start=1)]))
        return result(outcome)["finalLoss"], sum(one.logprob for one in scored if one is not None)

    half, whole = losses("bfloat16"), losses("float32")
    assert half == pytest.approx(whole, rel=0.05)
    assert half != whole


def test_options_of_the_other_engine_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["serve", "--store", str(tmp_path), "--work", str(tmp_path), "--engine", "solo", "--token-budget", "64"])
    assert "--token-budget is for --engine batched" in capsys.readouterr().err
