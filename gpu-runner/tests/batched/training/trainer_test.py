"""Whole trainings through the batched engine: equal to each job alone, whatever shares the device or fails."""

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from selkie_runner.batched import BatchedTrainer, TrainingHandle
from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.lora.layout import LoraTerm
from selkie_runner.batched.training import passes, trainer
from selkie_runner.batched.training.memory import bytes_per_step, bytes_per_token
from selkie_runner.batched.training.packing import StepPlan
from selkie_runner.errors import Diverged, InvalidDataset, OutOfMemory
from selkie_runner.jobs.job import TrainingJob
from selkie_runner.lora.peft_folder import read_adapter, write_adapter
from selkie_runner.lora.weights import LoraWeights
from selkie_runner.models.loading import LoadedModel
from support.batched import checkpoint_of, random_layer, recipe, run_all, solo, texts, tiny, true_fp64
from support.engine import FAMILIES

TEXTS = [
    "the seal eats fish",
    "a lamp",
    "harbour 7 opens at nine, and closes at low tide",
    "x",
    "wind and ice",
]
MIX: list[dict[str, Any]] = [
    {"rank": 4, "alpha": 8.0, "targets": "qv"},
    {"rank": 8, "alpha": 4.0, "targets": "all-linear", "batch_size": 2, "epochs": 3, "max_grad_norm": 0.01},
    {"rank": 8, "alpha": 16.0, "targets": "qv", "schedule": "constant", "epochs": 1, "max_grad_norm": 0.0},
    {"rank": 16, "alpha": 5.0, "targets": "all-linear", "schedule": "cosine", "batch_size": 3, "weight_decay": 0.1},
]


@pytest.fixture
def base() -> LoadedModel:
    return tiny("llama-tiny", torch.float32)


def jobs_in(folder: Path, mix: Sequence[dict[str, Any]], stack: list[Path] | None = None) -> list[TrainingJob]:
    return [
        TrainingJob(
            training_key=f"key{i}",
            stack=stack or [] if i % 2 else [],
            dataset=texts(folder / f"data{i}", TEXTS[: 2 + i % 4]),
            recipe=recipe(**changes),
            seed=11 * i,
        )
        for i, changes in enumerate(mix)
    ]


def policy(folder: Path, model: LoadedModel) -> Path:
    write_adapter(random_layer(FrozenBase.share(model.model), 4, 6.0, "all-linear", 5), folder)
    return folder


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("family", FAMILIES)
def test_whole_trainings_equal_solo_in_fp64(family: str, tmp_path: Path) -> None:
    with true_fp64():
        model = tiny(family)
        jobs = jobs_in(tmp_path, MIX, [policy(tmp_path / "policy", model)])
        engine = BatchedTrainer(model, slots=3, token_budget=150)
        handles = run_all(engine, jobs, tmp_path / "batched")
        for i, (job, handle) in enumerate(zip(jobs, handles, strict=True)):
            alone, result = solo(model, job, tmp_path / f"solo{i}"), handle.future.result()
            assert result.final_loss == pytest.approx(alone.final_loss, rel=1e-9)
            assert (result.steps, result.tokens, result.rank) == (alone.steps, alone.tokens, alone.rank)
            found, wanted = checkpoint_of(handle.work_dir), checkpoint_of(tmp_path / f"solo{i}")
            assert largest_difference(found, wanted) < 1e-9


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(order=st.permutations(range(4)), slots=st.integers(1, 4), budget=st.integers(16, 400), late=st.integers(0, 5))
def test_order_slots_and_budget_do_not_matter_in_fp64(
    order: list[int], slots: int, budget: int, late: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("mix")
    with true_fp64():
        model = tiny("qwen2-tiny")
        jobs = jobs_in(tmp_path, MIX, [policy(tmp_path / "policy", model)])
        engine = BatchedTrainer(model, slots=slots, token_budget=budget)
        handles = run_all(engine, [jobs[i] for i in order], tmp_path / "batched", late=late)
        for i, handle in zip(order, handles, strict=True):
            solo(model, jobs[i], tmp_path / f"solo{i}")
            found, wanted = checkpoint_of(handle.work_dir), checkpoint_of(tmp_path / f"solo{i}")
            assert largest_difference(found, wanted) < 1e-9


@pytest.mark.parametrize("family", FAMILIES)
def test_whole_trainings_are_near_solo_in_fp32(family: str, tmp_path: Path) -> None:
    model = tiny(family, torch.float32)
    jobs = jobs_in(tmp_path, [{**changes, "learning_rate": 1e-3} for changes in MIX])
    for i, handle in enumerate(run_all(BatchedTrainer(model, slots=3), jobs, tmp_path / "batched")):
        alone, result = solo(model, jobs[i], tmp_path / f"solo{i}"), handle.future.result()
        assert result.final_loss == pytest.approx(alone.final_loss, rel=1e-4)
        found, wanted = load_file(result.layer_dir / "adapter_model.safetensors"), read_adapter(alone.layer_dir)
        for module, b in wanted.b.items():
            # AdamW turns rounding of near-zero gradients into steps, so single elements may differ by more
            distance = torch.linalg.vector_norm(found[f"base_model.model.{module}.lora_B.weight"] - b)
            assert distance < 2e-2 * torch.linalg.vector_norm(b), module


def test_reference_padding_equals_solo_in_fp64(tmp_path: Path) -> None:
    with true_fp64():
        model = tiny("llama-tiny")
        jobs = jobs_in(tmp_path, [{"loss_on_padding": "reference", "max_length": 48, "batch_size": n} for n in (1, 2)])
        for i, handle in enumerate(run_all(BatchedTrainer(model, token_budget=400), jobs, tmp_path / "batched")):
            alone = solo(model, jobs[i], tmp_path / f"solo{i}")
            assert handle.future.result().tokens == alone.tokens
            assert largest_difference(checkpoint_of(handle.work_dir), checkpoint_of(tmp_path / f"solo{i}")) < 1e-9


def test_deterministic_mode_gives_the_same_bits_whatever_runs_beside(base: LoadedModel, tmp_path: Path) -> None:
    stack = [policy(tmp_path / "policy", base)]
    jobs = jobs_in(tmp_path, MIX, stack)
    alone = run_all(BatchedTrainer(base, token_budget=40, deterministic=True), jobs[1:2], tmp_path / "alone")[0]
    for number, order in enumerate(([0, 1, 2, 3], [3, 2, 1, 0], [2, 1])):
        engine = BatchedTrainer(base, slots=2 + number % 2, token_budget=40, deterministic=True)
        handles = run_all(engine, [jobs[i] for i in order], tmp_path / f"run{number}", late=number)
        found = checkpoint_of(handles[order.index(1)].work_dir)
        assert same_bits(found, checkpoint_of(alone.work_dir))


def test_a_job_that_diverges_fails_alone_and_the_others_keep_every_bit(base: LoadedModel, tmp_path: Path) -> None:
    sound = policy(tmp_path / "sound", base)
    layer = read_adapter(sound)
    broken = tmp_path / "broken"
    b = {name: torch.full_like(value, float("inf")) for name, value in layer.b.items()}
    write_adapter(LoraWeights(layer.rank, layer.alpha, layer.a, b), broken)
    outcomes: list[list[TrainingHandle]] = []
    for name, stack in (("finite", sound), ("nan", broken)):
        jobs = jobs_in(tmp_path, [MIX[0], {**MIX[1], "max_steps": 1}, MIX[2]], [stack])
        outcomes.append(run_all(BatchedTrainer(base, token_budget=10_000), jobs, tmp_path / name))
    finite, nan = outcomes
    with pytest.raises(Diverged, match="step 1"):
        nan[1].future.result()
    for i in (0, 2):
        assert same_bits(checkpoint_of(finite[i].work_dir), checkpoint_of(nan[i].work_dir))


def test_a_slot_is_as_new_for_its_second_tenant(base: LoadedModel, tmp_path: Path) -> None:
    job = jobs_in(tmp_path, [MIX[3]])[0]
    first = run_all(BatchedTrainer(base, token_budget=100), [job], tmp_path / "first")[0]
    handles = run_all(
        BatchedTrainer(base, slots=1, token_budget=100),
        [replace(job, training_key="other", seed=5), job],
        tmp_path / "second",
    )
    assert same_bits(checkpoint_of(first.work_dir), checkpoint_of(handles[1].work_dir))


def test_a_job_that_is_left_out_of_a_step_keeps_every_bit(base: LoadedModel, tmp_path: Path) -> None:
    jobs = jobs_in(tmp_path, [{**MIX[3], "epochs": 4}, {**MIX[3], "epochs": 4}])
    engine = BatchedTrainer(base, token_budget=1)
    handles = [engine.submit(job, tmp_path / f"job{i}", 1) for i, job in enumerate(jobs)]
    engine.step()
    engine.step()
    assert [handle.progress.step for handle in handles] == [1, 1]
    before = checkpoint_of(handles[1].work_dir)
    engine.step()
    assert [handle.progress.step for handle in handles] == [2, 1]
    assert same_bits(before, checkpoint_of(handles[1].work_dir))


def test_a_cancelled_job_can_keep_its_last_step(base: LoadedModel, tmp_path: Path) -> None:
    engine = BatchedTrainer(base)
    for every, kept in ((100, 2), (0, 0)):
        handle = engine.submit(jobs_in(tmp_path, [MIX[0]])[0], tmp_path / str(every), every)
        engine.step()
        engine.step()
        handle.cancel(keep=True)
        assert engine.step() is None
        assert (handle.progress.step, handle.progress.checkpoint) == (2, kept)
        assert (handle.work_dir / "checkpoint.safetensors").exists() == bool(kept)


@pytest.mark.parametrize("first", ["batched", "solo"])
def test_a_training_goes_on_from_the_checkpoint_of_either_engine(first: str, base: LoadedModel, tmp_path: Path) -> None:
    job = jobs_in(tmp_path, [{**MIX[1], "epochs": 4}])[0]
    whole = run_all(BatchedTrainer(base, token_budget=100), [job], tmp_path / "whole")[0]
    folder = tmp_path / "interrupted"
    if first == "batched":
        engine = BatchedTrainer(base, token_budget=100)
        handle = engine.submit(job, folder, 2)
        for _ in range(3):
            engine.step()
        handle.cancel()
        assert engine.step() is None
        assert engine.idle
        with pytest.raises(CancelledError):
            handle.future.result()
    else:
        solo(base, job, folder, stop_after=2, every=2)
    engine = BatchedTrainer(base, token_budget=100)
    handle = engine.submit(job, folder, 1)
    while engine.step():
        pass
    assert handle.future.result().resumed_from_step == 2
    found, wanted = checkpoint_of(folder), checkpoint_of(whole.work_dir)
    if first == "batched":
        assert same_bits(found, wanted)
    else:
        assert largest_difference(found, wanted) < 1e-3


def test_a_step_without_memory_shrinks_and_goes_on(
    base: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "forward_backward", scarce(passes.forward_backward, limit=70))
    jobs = jobs_in(tmp_path, MIX[:3])
    engine = BatchedTrainer(base, token_budget=500)
    for i, handle in enumerate(run_all(engine, jobs, tmp_path / "batched")):
        result = handle.future.result()
        assert result.final_loss == pytest.approx(solo(base, jobs[i], tmp_path / f"solo{i}").final_loss, rel=1e-3)
    assert engine.budget.tokens <= 70


def test_a_job_that_never_fits_fails_alone(base: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "forward_backward", scarce(passes.forward_backward, limit=60))
    small, large = jobs_in(tmp_path, [MIX[0], MIX[0]])
    large = replace(large, dataset=texts(tmp_path / "large", ["w" * 63]))
    handles = run_all(BatchedTrainer(base, token_budget=64), [small, large], tmp_path / "batched")
    assert handles[0].future.result().steps == small.recipe.epochs * 2
    with pytest.raises(OutOfMemory):
        handles[1].future.result()


def with_free_bytes(patch: pytest.MonkeyPatch, free: int) -> None:
    """The device always has `free` bytes."""

    def available_bytes(_: torch.device) -> int:
        return free

    patch.setattr(trainer, "available_bytes", available_bytes)


def test_a_row_that_memory_does_not_hold_is_refused_by_its_length(
    base: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = jobs_in(tmp_path, MIX[:1])[0]
    lines = texts(tmp_path / "long", ["w" * 900])
    long = replace(small, training_key="long", dataset=lines, recipe=recipe(max_length=1024, epochs=1))
    decoder = FrozenBase.share(base.model)
    with_free_bytes(monkeypatch, bytes_per_step(decoder) + 500 * bytes_per_token(decoder, keys=900))
    refused, trained = run_all(BatchedTrainer(base), [long, small], tmp_path / "work")
    with pytest.raises(OutOfMemory, match=r"the row of 90\d tokens takes \d+ MiB, and \d+ MiB are free"):
        refused.future.result()
    assert trained.future.result().steps == 4


def test_a_row_that_memory_does_not_hold_waits_for_the_others(
    base: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = jobs_in(tmp_path, MIX[:1])[0]
    lines = texts(tmp_path / "long", ["w" * 900])
    long = replace(small, training_key="long", dataset=lines, recipe=recipe(max_length=1024, epochs=1))
    decoder = FrozenBase.share(base.model)
    engine = BatchedTrainer(base)
    first, second = (engine.submit(job, tmp_path / f"work-{job.training_key}", 0) for job in (small, long))
    with_free_bytes(monkeypatch, bytes_per_step(decoder) + 500 * bytes_per_token(decoder, keys=900))
    assert engine.step()
    assert (first.progress.step, second.progress.total_steps) == (1, 0)
    with_free_bytes(monkeypatch, 2**40)
    while engine.step():
        pass
    assert second.future.result().steps == 1


def refusing_company(
    forward_backward: Callable[[FrozenBase, StepPlan, list[LoraTerm]], torch.Tensor], error: Exception
) -> Callable[[FrozenBase, StepPlan, list[LoraTerm]], torch.Tensor]:
    """The real pass, but for a fault that only passes of several jobs meet."""

    def faulty_pass(decoder: FrozenBase, plan: StepPlan, terms: list[LoraTerm]) -> torch.Tensor:
        if len(plan.spans) > 1:
            raise error
        return forward_backward(decoder, plan, terms)

    return faulty_pass


@pytest.mark.parametrize("message", ["no kernel for this launch", "CUBLAS_STATUS_ALLOC_FAILED when calling"])
def test_jobs_that_fail_only_together_are_computed_apart(
    message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with true_fp64():
        model = tiny("llama-tiny")
        jobs = jobs_in(tmp_path, MIX[:3])
        for i, job in enumerate(jobs):
            solo(model, job, tmp_path / f"solo{i}")
        fault = refusing_company(passes.forward_backward, RuntimeError(message))
        monkeypatch.setattr(passes, "forward_backward", fault)
        engine = BatchedTrainer(model, token_budget=500)
        for i, handle in enumerate(run_all(engine, jobs, tmp_path / "together")):
            assert handle.future.result().steps > 0
            found, wanted = checkpoint_of(handle.work_dir), checkpoint_of(tmp_path / f"solo{i}")
            assert largest_difference(found, wanted) < 1e-9
    assert engine.budget.tokens < 500


def test_jobs_that_fail_together_and_find_no_memory_alone_end(
    base: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_fits = scarce(passes.forward_backward, limit=0)
    fault = RuntimeError("no kernel for this launch")
    monkeypatch.setattr(passes, "forward_backward", refusing_company(nothing_fits, fault))
    for handle in run_all(BatchedTrainer(base, token_budget=500), jobs_in(tmp_path, MIX[:3]), tmp_path / "work"):
        with pytest.raises(OutOfMemory):
            handle.future.result()


def scarce(
    forward_backward: Callable[[FrozenBase, StepPlan, list[LoraTerm]], torch.Tensor], limit: int
) -> Callable[[FrozenBase, StepPlan, list[LoraTerm]], torch.Tensor]:
    """The real pass on a device that has memory for `limit` tokens."""

    def scarce_pass(decoder: FrozenBase, plan: StepPlan, terms: list[LoraTerm]) -> torch.Tensor:
        if plan.tokens > limit:
            raise torch.OutOfMemoryError("no memory left")
        return forward_backward(decoder, plan, terms)

    return scarce_pass


def test_a_job_that_cannot_begin_fails_alone(base: LoadedModel, tmp_path: Path) -> None:
    good, bad = jobs_in(tmp_path, [MIX[0], MIX[0]])
    handles = run_all(BatchedTrainer(base), [replace(bad, dataset=tmp_path / "nowhere"), good], tmp_path / "batched")
    with pytest.raises(InvalidDataset):
        handles[0].future.result()
    assert handles[1].future.result().steps == 4


def test_between_steps_the_base_decodes_as_ever(base: LoadedModel, tmp_path: Path) -> None:
    base.adapters.add("served", random_layer(FrozenBase.share(base.model), 4, 8.0, "qv", 3))
    base.adapters.activate("served")
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        before = base.model(ids).logits
    engine = BatchedTrainer(base)
    engine.submit(jobs_in(tmp_path, [MIX[1]])[0], tmp_path / "job", 0)
    engine.step()
    with torch.no_grad():
        during = base.model(ids).logits
    assert torch.equal(before, during)
    assert base.adapters.active == ("served",)
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    for folder in (alone, shared):
        base.adapters.activate("served" if folder is shared else None)
        run_all(BatchedTrainer(base), jobs_in(tmp_path, [MIX[1]]), folder)
    assert same_bits(checkpoint_of(alone / "0"), checkpoint_of(shared / "0"))


def test_progress_and_device_time_are_told(base: LoadedModel, tmp_path: Path) -> None:
    engine = BatchedTrainer(base)
    handle = engine.submit(jobs_in(tmp_path, [MIX[0]])[0], tmp_path / "job", 3)
    assert (handle.progress.phase, handle.progress.total_steps) == ("preparing", 0)
    report = engine.step()
    assert report is not None
    assert report.jobs == 1
    assert (handle.progress.phase, handle.progress.step, handle.progress.total_steps) == ("training", 1, 4)
    assert handle.progress.loss is not None
    while engine.step():
        pass
    assert (handle.progress.phase, handle.progress.step, handle.progress.checkpoint) == ("exporting", 4, 3)
    assert handle.device_seconds > 0
