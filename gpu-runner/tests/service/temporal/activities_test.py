"""The activities on the tiny model, with each engine and no server: results, heartbeats, cancelling, resuming."""

import asyncio
import errno
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from selkie_runner import wire as contract
from selkie_runner.batched import BatchedTrainer
from selkie_runner.ports import EngineName, ServedAdapter, Trainer
from selkie_runner.rows import DecodedRow, DecodeRow
from selkie_runner.service.stopping import RunnerStopping
from selkie_runner.service.temporal.activities import GpuActivities
from selkie_runner.service.torch_runner import TorchRunner
from selkie_runner.service.training.batched_engine import BatchedEngine
from selkie_runner.service.training.manager import TrainingManager
from selkie_runner.service.training.solo_engine import SoloEngine
from selkie_runner.store.artifacts import ADAPTER
from support.service import dataset, running, train_payload, write_random_adapter

TEXTS = [f"Selkie number {number} sheds its skin." for number in range(6)]
LONG = 100_000


class Bench:
    """A runner, its activities, and one dataset."""

    def __init__(self, runner: TorchRunner, root: Path, engine: EngineName) -> None:
        self.runner = runner
        self.engine_name: EngineName = engine
        self.root = root
        self.data = dataset(runner.store, root / "data", TEXTS)
        self.long_data = dataset(
            runner.store, root / "long-data", [f"{text} Tide {n}." for n in range(50) for text in TEXTS]
        )
        self.beats: list[Any] = []
        self.restart()

    def restart(self, work: str = "work") -> None:
        """As after a new start of the process: nothing in memory."""
        self.trainings = TrainingManager(self.runner, self.root / work, self.engine())
        self.activities = GpuActivities(self.runner, self.trainings)

    def engine(self) -> Trainer:
        """A fresh engine; the batched one in the mode that gives the same bits whatever else runs."""
        if self.engine_name == "solo":
            return SoloEngine(self.runner, checkpoint_every_steps=3)
        trainer = BatchedTrainer(self.runner.loaded, deterministic=True)
        return BatchedEngine(self.runner.device, self.runner.metrics, trainer, checkpoint_every_steps=3)

    def payload(self, **options: Any) -> dict[str, Any]:
        # a quiet machine is through the small dataset before a test can disturb it
        data = self.long_data if options.get("steps") == LONG else self.data
        return train_payload(self.runner.model, data, **options)

    def environment(self) -> ActivityEnvironment:
        environment = ActivityEnvironment()
        environment.on_heartbeat = self.beats.append
        return environment

    async def train(self, environment: ActivityEnvironment | None = None, **options: Any) -> dict[str, Any]:
        return await (environment or self.environment()).run(self.activities.train_adapter, self.payload(**options))

    async def until_step(self, step: int) -> None:
        """Wait until a training under way has taken a step."""
        while not any(training.progress.step >= step for training in self.trainings.under_way()):
            await asyncio.sleep(0.005)

    def folder(self, key: str = "a") -> Path:
        return self.root / "work" / "trainings" / (key * 64)

    def work_seconds(self) -> float:
        return self.runner.device.busy_seconds["train"]


@pytest.fixture(params=["batched", "solo"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Generator[Bench]:
    with running(tmp_path) as runner:
        yield Bench(runner, tmp_path, request.param)


def test_a_training_publishes_an_adapter(bench: Bench):
    result = contract.parse(contract.TrainResult, asyncio.run(bench.train()))
    assert (result.steps, result.resumed_from_step, result.engine) == (8, 0, bench.engine_name)
    assert result.adapter.layer == result.adapter.served
    assert result.update_norm > 0
    assert result.device_seconds > 0
    assert (bench.runner.store.open(result.adapter.layer.uri) / "adapter_model.safetensors").exists()
    assert not bench.folder().exists()
    assert bench.runner.loaded.adapters.names == []
    for beat in bench.beats:
        contract.parse(contract.TrainHeartbeat, beat)


def test_a_published_training_is_returned_with_no_device_work(bench: Bench):
    first = asyncio.run(bench.train())
    used = bench.work_seconds()
    bench.restart()
    assert asyncio.run(bench.train()) == first
    assert bench.work_seconds() == used


def test_a_damaged_publication_is_trained_again_to_the_same_address(bench: Bench):
    first = asyncio.run(bench.train())
    folder = bench.runner.store.open(first["adapter"]["layer"]["uri"])
    (folder / "adapter_config.json").write_text("{}")
    again = asyncio.run(bench.train())
    assert again["adapter"] == first["adapter"]
    bench.runner.store.open(again["adapter"]["layer"]["uri"])


def test_a_full_disk_is_waited_for_and_the_next_attempt_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("selkie_runner.store.artifacts.shutil.copyfile", full)
        with pytest.raises(ApplicationError, match="No space left") as caught:
            asyncio.run(bench.train())
    assert (caught.value.type, caught.value.non_retryable) == ("StoreUnavailable", False)
    bench.restart()
    assert asyncio.run(bench.train())["steps"] == 8


def test_heartbeats_tell_progress(bench: Bench):
    async def scenario() -> None:
        environment = bench.environment()
        attempt = asyncio.create_task(bench.train(environment, steps=LONG))
        await bench.until_step(1)
        await asyncio.sleep(1.2)
        environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt

    asyncio.run(scenario())
    first, *_, last = bench.beats
    assert first == {"phase": "waiting", "step": 0, "totalSteps": 0, "loss": None, "checkpoint": 0}
    assert last["phase"] == "training"
    assert last["totalSteps"] == 15_000  # 100 epochs of 150 batches
    assert last["step"] > last["checkpoint"] - 3 >= 0
    assert last["loss"] > 0


def test_cancelling_frees_the_device_and_the_next_attempt_resumes_to_the_same_bits(bench: Bench):
    options: Any = {"steps": 0, "epochs": 15}

    async def cancelled() -> None:
        environment = bench.environment()
        attempt = asyncio.create_task(bench.train(environment, **options))
        await bench.until_step(10)
        started = asyncio.get_running_loop().time()
        environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        assert asyncio.get_running_loop().time() - started < 2
        assert bench.runner.loaded.adapters.names == []
        assert bench.runner.device.queued()["train"] == 0

    asyncio.run(cancelled())
    assert (bench.folder() / "checkpoint.safetensors").exists()
    bench.restart()
    resumed = asyncio.run(bench.train(**options))
    assert resumed["resumedFromStep"] >= 9
    undisturbed = asyncio.run(bench.train(key="b", **options))
    assert undisturbed["resumedFromStep"] == 0
    assert resumed["adapter"] == undisturbed["adapter"]
    assert {
        **resumed,
        **{k: undisturbed[k] for k in ("trainingKey", "deviceSeconds", "resumedFromStep")},
    } == undisturbed


def test_cancelling_reaches_a_training_that_waits_for_the_device(bench: Bench):
    async def scenario() -> None:
        blocking = asyncio.Event()
        hold = bench.runner.device.call(lambda: asyncio.run(_until(blocking)), name="hold")
        environment = bench.environment()
        attempt = asyncio.create_task(bench.train(environment))
        await asyncio.sleep(0.1)
        environment.cancel()
        await asyncio.sleep(0.05)
        blocking.set()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await asyncio.wrap_future(hold.future)

    asyncio.run(scenario())
    assert {beat["phase"] for beat in bench.beats} == {"waiting"}


async def _until(event: asyncio.Event) -> None:
    while not event.is_set():
        await asyncio.sleep(0.01)


def test_overlapping_attempts_share_one_training(bench: Bench):
    async def scenario() -> None:
        first, second = bench.environment(), bench.environment()
        attempts = [asyncio.create_task(bench.train(environment)) for environment in (first, second)]
        await bench.until_step(1)
        assert len(bench.trainings.under_way()) == 1
        first.cancel()  # the other attempt keeps the training alive
        with pytest.raises(asyncio.CancelledError):
            await attempts[0]
        assert (await attempts[1])["steps"] == 8

    asyncio.run(scenario())
    assert bench.runner.metrics.training_steps._value.get() == 8  # pyright: ignore[reportPrivateUsage]


def test_two_processes_on_one_work_folder_train_once(bench: Bench):
    """Two `TrainingManager` share nothing but the folders, as two processes do."""
    other = GpuActivities(bench.runner, TrainingManager(bench.runner, bench.root / "work", bench.engine()))

    async def scenario() -> list[dict[str, Any]]:
        return list(await asyncio.gather(bench.train(), bench.environment().run(other.train_adapter, bench.payload())))

    first, second = asyncio.run(scenario())
    assert first == second
    assert bench.runner.metrics.training_steps._value.get() == 8  # pyright: ignore[reportPrivateUsage]


def test_several_trainings_interleave(bench: Bench):
    async def scenario() -> list[dict[str, Any]]:
        attempts = [asyncio.create_task(bench.train(key=key, steps=60)) for key in "ab"]
        await bench.until_step(10)
        steps = [training.progress.step for training in bench.trainings.under_way()]
        assert abs(steps[0] - steps[1]) <= 3
        return list(await asyncio.gather(*attempts))

    first, second = asyncio.run(scenario())
    assert first["adapter"] == second["adapter"]


def test_answers_and_trainings_on_one_model_do_not_touch_each_other(bench: Bench):
    alone = asyncio.run(bench.train(steps=300))
    folder = write_random_adapter(bench.runner.store.root / "made", bench.runner.loaded, 3)
    rows = [DecodeRow(tuple(bench.runner.loaded.tokenizer.encode("The selkie")), max_tokens=12, top_logprobs=0)]

    async def asked_of(adapter: ServedAdapter) -> list[DecodedRow]:
        return [(await bench.runner.generator.answer(asked, rows))[0] for asked in (None, adapter)]

    def assert_alike(answers: list[DecodedRow], others: list[DecodedRow]) -> None:
        # but for rounding: a prompt's beginning may have been read before
        for answer, other in zip(answers, others, strict=True):
            assert answer.tokens == other.tokens
            wanted = [token.logprob for token in other.logprobs]
            assert [token.logprob for token in answer.logprobs] == pytest.approx(wanted, abs=1e-4)

    async def scenario() -> dict[str, Any]:
        adapter = await bench.runner.adapters.load("other", str(folder), in_place=False)
        quiet = await asked_of(adapter)
        assert quiet[0] != quiet[1]
        attempt = asyncio.create_task(bench.train(key="b", steps=300))
        await bench.until_step(1)
        for _ in range(3):
            assert_alike(await asked_of(adapter), quiet)
        assert not attempt.done()
        return await attempt

    assert asyncio.run(scenario())["adapter"] == alone["adapter"]


def test_the_device_budget_counts_over_attempts(bench: Bench):
    folder = bench.folder()
    folder.mkdir(parents=True)
    (folder / "device-seconds").write_text("59.99")
    with pytest.raises(ApplicationError) as failed:
        asyncio.run(bench.train(steps=LONG))
    assert (failed.value.type, failed.value.non_retryable) == ("DeviceBudgetExceeded", True)
    assert "maxDeviceSeconds is 60" in str(failed.value)
    assert float((folder / "device-seconds").read_text()) >= 60
    more = asyncio.run(bench.train(max_device_seconds=120))
    assert more["deviceSeconds"] > 60


def test_worker_shutdown_keeps_the_last_checkpoint_and_is_retried(bench: Bench):
    async def scenario() -> None:
        environment = bench.environment()
        attempt = asyncio.create_task(bench.train(environment, steps=LONG))
        await bench.until_step(1)
        environment.worker_shutdown()
        with pytest.raises(RunnerStopping, match="is kept"):
            await attempt

    asyncio.run(scenario())
    assert (bench.folder() / "checkpoint.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"seed": "1"}, "InvalidRequest", "seed"),
        ({"extra": 1}, "InvalidRequest", "extra: Extra inputs are not permitted"),
        ({"baseDigest": "0" * 64}, "ModelNotFound", "0" * 64),
        ({"base": "another"}, "ModelNotFound", "another"),
        (
            {
                "dataset": {
                    "uri": f"artifact:sha256/{'1' * 64}",
                    "sha256": "1" * 64,
                    "bytes": 1,
                    "mediaType": "application/x-ndjson",
                }
            },
            "InvalidDataset",
            "1" * 64,
        ),
    ],
)
def test_refusals_are_typed_and_final(bench: Bench, change: dict[str, Any], kind: str, says: str):
    payload = {**bench.payload(), **change}
    with pytest.raises(ApplicationError) as refused:
        asyncio.run(bench.environment().run(bench.activities.train_adapter, payload))
    assert (refused.value.type, refused.value.non_retryable) == (kind, True)
    assert says in str(refused.value)
    assert bench.work_seconds() == 0


def test_a_model_mismatch_names_both_digests(bench: Bench):
    with pytest.raises(ApplicationError) as refused:
        asyncio.run(
            bench.environment().run(bench.activities.train_adapter, {**bench.payload(), "baseDigest": "0" * 64})
        )
    assert bench.runner.model.digest in str(refused.value)


def test_divergence_is_typed(bench: Bench):
    folder = write_random_adapter(bench.root / "huge", bench.runner.loaded, 1, size=1e30)
    ref = bench.runner.store.publish(folder, ADAPTER)
    layer = {"uri": ref.uri, "sha256": ref.sha256, "bytes": ref.bytes, "mediaType": ref.media_type}
    payload = {**bench.payload(), "stack": [{"layer": layer, "served": layer, "rank": 4}]}
    with pytest.raises(ApplicationError) as failed:
        asyncio.run(bench.environment().run(bench.activities.train_adapter, payload))
    assert (failed.value.type, failed.value.non_retryable) == ("Diverged", True)
    assert contract.parse(contract.TrainFailure, failed.value.details[0]).device_seconds > 0
    assert bench.runner.loaded.adapters.names == []


def test_a_layer_above_a_stack_is_served_as_one_adapter(bench: Bench):
    first = asyncio.run(bench.train())
    payload = {**bench.payload(key="b"), "stack": [first["adapter"]]}
    second = asyncio.run(bench.environment().run(bench.activities.train_adapter, payload))
    adapter = second["adapter"]
    assert adapter["layer"] != adapter["served"]
    config = json.loads((bench.runner.store.open(adapter["served"]["uri"]) / "adapter_config.json").read_text())
    assert config["r"] == adapter["rank"] == 8


def test_describe_model(bench: Bench):
    described = asyncio.run(bench.environment().run(bench.activities.describe_model, {"model": "tiny"}))
    result = contract.parse(contract.DescribeModelResult, described)
    assert (result.model, result.digest, result.dtype, result.device) == (
        "tiny",
        bench.runner.model.digest,
        "float32",
        "cpu",
    )
    assert (result.chat, result.max_length) == (True, 256)
    with pytest.raises(ApplicationError, match="this runner holds tiny, not other") as refused:
        asyncio.run(bench.environment().run(bench.activities.describe_model, {"model": "other"}))
    assert refused.value.type == "ModelNotFound"
