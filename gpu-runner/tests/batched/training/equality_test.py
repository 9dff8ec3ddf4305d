"""Random mixes of jobs: each job's result is solo's, whatever its neighbours do.

Gradients are compared in `gradients_test.py`; here are the optimizer, whole trainings, rounding, neighbours.
"""

import math
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from batched.training.trainer_test import TEXTS, largest_difference, policy, same_bits, scarce
from selkie_runner.batched import BatchedTrainer
from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.lora.layout import TARGETS, AdapterLayout, AdapterView
from selkie_runner.batched.training import passes, trainer
from selkie_runner.batched.training.job_state import JobState
from selkie_runner.batched.training.memory import bytes_per_job
from selkie_runner.errors import Diverged
from selkie_runner.jobs.dataset import Row
from selkie_runner.jobs.job import Recipe, TrainingJob
from selkie_runner.jobs.schedule import learning_rate
from selkie_runner.jobs.sources import ShuffledEpochs
from selkie_runner.lora.peft_folder import read_adapter, write_adapter
from selkie_runner.lora.weights import LoraWeights
from selkie_runner.models.loading import LoadedModel
from selkie_runner.reference import trainer as solo_engine
from support.batched import (
    checkpoint_of,
    engine_gradients,
    oracle_gradients,
    random_layer,
    recipe,
    relative,
    run_all,
    solo,
    texts,
    tiny,
    true_fp64,
)
from support.engine import ALL_FAMILIES, FAMILIES

recipes = st.builds(
    recipe,
    rank=st.integers(1, 12),
    alpha=st.floats(1, 16),
    targets=st.sampled_from(["qv", "all-linear"]),
    schedule=st.sampled_from(["linear", "constant", "cosine"]),
    learning_rate=st.sampled_from([1e-2, 1e-3]),
    epochs=st.integers(1, 2),
    batch_size=st.integers(1, 3),
    max_grad_norm=st.sampled_from([0.0, 0.01, 1.0]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    frozen_below=st.sampled_from([0.0, 0.5]),
)
#: `TEXTS` without rows of one token. Attention to one key does not depend on the query, so the gradient of a query's
#: weights is the rounding of zero there, which AdamW turns into a step. `batched_gradients_test` compares such rows.
LONGER_TEXTS = [text if len(text) > 1 else "xyz" for text in TEXTS]
#: a job as (recipe, seed, first of `LONGER_TEXTS`, how many of them, frozen layers below)
drafts = st.tuples(recipes, st.integers(0, 99), st.integers(0, 2), st.integers(1, 3), st.integers(0, 2))
Draft = tuple[Recipe, int, int, int, int]


def few(examples: int) -> Any:
    """Settings of a property that trains: few examples, always the same."""
    return settings(
        max_examples=examples, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )


#: in place of a batch that is never read
UNUSED: Any = None


@cache
def fp64_base() -> LoadedModel:
    return tiny("llama-tiny")


def job_of(draft: Draft, folder: Path, layers: list[Path]) -> TrainingJob:
    chosen, seed, first, count, depth = draft
    return TrainingJob("key", layers[:depth], texts(folder, LONGER_TEXTS[first : first + count]), chosen, seed)


@contextmanager
def scratch() -> Generator[Path]:
    """A folder of one example of a property."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def frozen_layers(folder: Path, model: LoadedModel) -> list[Path]:
    decoder = FrozenBase.share(model.model)
    write_adapter(random_layer(decoder, 3, 4.0, "all-linear", 0), folder / "0")
    write_adapter(random_layer(decoder, 5, 4.0, "qv", 1), folder / "1")
    return [folder / "0", folder / "1"]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(chosen=recipes, rows=st.integers(1, 5), size=st.floats(-6, 2), seed=st.integers(0, 99))
def test_the_optimizer_equals_solos_on_identical_gradients(chosen: Recipe, rows: int, size: float, seed: int) -> None:
    """Clip, decay, schedule, moments: with gradients given to both, only the order of the norm's sum may differ."""
    base = fp64_base()
    decoder = FrozenBase.share(base.model)
    job = TrainingJob("key", [], Path(), chosen, seed)
    source = ShuffledEpochs([Row((1, 2, 3), 0)] * rows, chosen.batch_size, chosen.epochs, seed)
    training = JobState(decoder, job, source, (), pad_id=2, pass_tokens=64)
    parameters = {name: nn.Parameter(value.clone()) for name, value in named(training).items()}
    optimizer = torch.optim.AdamW(
        parameters.values(), betas=(0.9, 0.999), eps=1e-8, weight_decay=chosen.weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(seed)
    given_gradients: dict[str, Tensor] = {}

    def loss_with_given_gradients(_model: object, _batch: object) -> Tensor:
        return torch.stack([(parameters[name] * value).sum() for name, value in given_gradients.items()]).sum()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solo_engine, "mean_loss", loss_with_given_gradients)
        for step in range(training.total_steps):
            flat = training.gradients.flat
            flat.copy_(torch.randn(flat.shape, generator=generator, dtype=flat.dtype) * 10**size)
            for name, a, b in training.gradients.modules():
                given_gradients[f"{name}.A"], given_gradients[f"{name}.B"] = a.clone(), b.clone()
            optimizer.param_groups[0]["lr"] = learning_rate(step, training.total_steps, chosen)
            solo_engine._step(base, UNUSED, optimizer, chosen.max_grad_norm, step + 1)  # pyright: ignore[reportPrivateUsage]
            training.collect(training.gradients, first=True)
            training.apply(0.0, training.gradient_norm().item())
    training.refresh()
    for name, value in named(training).items():
        assert torch.allclose(value, parameters[name], rtol=1e-12, atol=1e-14), name


def named(training: JobState) -> dict[str, Tensor]:
    """The layer's factors, as solo names them."""
    training.refresh()
    return {f"{n}.{s}": f for n, a, b in training.weights.modules() for s, f in (("A", a), ("B", b))}


@pytest.mark.parametrize("family", ALL_FAMILIES)
@few(4)
@given(
    mix=st.lists(drafts, min_size=1, max_size=4),
    slots=st.integers(1, 4),
    budget=st.integers(16, 300),
    late=st.integers(0, 3),
)
def test_short_trainings_of_any_mix_equal_solo_in_fp64(
    family: str, mix: list[Draft], slots: int, budget: int, late: int
) -> None:
    with scratch() as folder, true_fp64():
        model = tiny(family)
        layers = frozen_layers(folder / "layers", model)
        jobs = [job_of(draft, folder / f"data{i}", layers) for i, draft in enumerate(mix)]
        engine = BatchedTrainer(model, slots=slots, token_budget=budget)
        for i, handle in enumerate(run_all(engine, jobs, folder / "batched", late=late)):
            handle.future.result()
            solo(model, jobs[i], folder / f"solo{i}")
            assert largest_difference(checkpoint_of(handle.work_dir), checkpoint_of(folder / f"solo{i}")) < 1e-9


@few(4)
@given(mix=st.lists(drafts, min_size=2, max_size=3), limit=st.integers(64, 160))
def test_running_out_of_memory_changes_no_result(mix: list[Draft], limit: int) -> None:
    with scratch() as folder, true_fp64(), pytest.MonkeyPatch.context() as patch:
        model = tiny("llama-tiny")
        layers = frozen_layers(folder / "layers", model)
        jobs = [job_of(draft, folder / f"data{i}", layers) for i, draft in enumerate(mix)]
        patch.setattr(passes, "forward_backward", scarce(passes.forward_backward, limit))
        for i, handle in enumerate(run_all(BatchedTrainer(model, token_budget=1000), jobs, folder / "batched")):
            handle.future.result()
            solo(model, jobs[i], folder / f"solo{i}")
            assert largest_difference(checkpoint_of(handle.work_dir), checkpoint_of(folder / f"solo{i}")) < 1e-9


@few(5)
@given(
    watched=drafts,
    others=st.lists(st.tuples(drafts, st.booleans()), min_size=1, max_size=3),
    place=st.integers(0, 3),
    slots=st.integers(2, 4),
    late=st.integers(0, 3),
)
def test_no_neighbour_changes_a_bit_in_deterministic_mode(
    watched: Draft, others: list[tuple[Draft, bool]], place: int, slots: int, late: int
) -> None:
    """The others may stand on a layer of infinities, so that all that they compute is NaN."""
    with scratch() as folder:
        model = tiny("qwen2-tiny", torch.float32)
        layers = frozen_layers(folder / "layers", model)
        broken = infinite(layers[0], folder / "broken")
        job = job_of(watched, folder / "watched", layers)
        alone = run_all(deterministic(model, 1), [job], folder / "alone")[0]
        jobs = [job_of(draft, folder / f"other{i}", layers) for i, (draft, _) in enumerate(others)]
        jobs = [replace(o, stack=[broken]) if nan else o for o, (_, nan) in zip(jobs, others, strict=True)]
        place = min(place, len(jobs))
        jobs.insert(place, job)
        handles = run_all(deterministic(model, slots), jobs, folder / "mixed", late=late)
        assert same_bits(checkpoint_of(handles[place].work_dir), checkpoint_of(alone.work_dir))
        for handle in handles:
            if handle.job.stack == [broken]:
                assert isinstance(handle.future.exception(), Diverged)


def deterministic(model: LoadedModel, slots: int) -> BatchedTrainer:
    return BatchedTrainer(model, slots=slots, token_budget=64, deterministic=True)


def infinite(layer: Path, folder: Path) -> Path:
    sound = read_adapter(layer)
    b = {name: torch.full_like(value, math.inf) for name, value in sound.b.items()}
    write_adapter(LoraWeights(sound.rank, sound.alpha, sound.a, b), folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_fp32_gradients_round_no_more_than_solos(family: str) -> None:
    """Both engines are a rounding away from the gradients in fp64; solo with one thread and with two gives its own.

    On bases this small another thread count may round in the very same way, so the distance of solo from itself can be
    0 and bounds nothing; what is compared is the distance from fp64, ours with the larger of solo's.
    """
    chosen = Row(tuple(range(5, 85)), 0)
    with true_fp64():
        base = tiny(family)
        layer = random_layer(FrozenBase.share(base.model), 8, 8.0, "all-linear", 1, size=0.05)
        _, exact = oracle_gradients(base, [], layer, [chosen])
    single = tiny(family, torch.float32)
    solos: list[float] = []
    for threads in (1, 2):
        with cpu_threads(threads):
            _, gradients = oracle_gradients(single, [], layer, [chosen])
        solos.append(relative(gradients, exact))
    ((_, ours),) = engine_gradients(FrozenBase.share(single.model), [([], layer, [chosen])])
    assert relative(ours, exact) < 2 * max(solos)


def test_fp32_trainings_round_no_more_than_solos(tmp_path: Path) -> None:
    """Whole trainings, as the geometric mean over all jobs of the update's distance from the one in fp64.

    AdamW turns the rounding of a gradient near zero into a whole step, so a single job may be several times above or
    below another; a factor of 3 between the means is left to that.
    """
    logarithms: list[float] = []
    for family in FAMILIES:
        single = tiny(family, torch.float32)
        jobs = rounding_jobs(tmp_path / family, [policy(tmp_path / family / "policy", single)])
        handles = run_all(BatchedTrainer(single, token_budget=200), jobs, tmp_path / family / "batched")
        for i, job in enumerate(jobs):
            folder = tmp_path / family / f"job{i}"
            with true_fp64():
                exact = update_of(solo(tiny(family), job, folder / "exact").layer_dir)
            alone = solo(tiny(family, torch.float32), job, folder / "alone")
            ours, solos = (
                distance(update_of(result.layer_dir), exact) for result in (handles[i].future.result(), alone)
            )
            logarithms.append(math.log(ours / solos))
    assert fmean(logarithms) < math.log(3)


def rounding_jobs(folder: Path, stack: list[Path]) -> list[TrainingJob]:
    changes: list[dict[str, Any]] = [
        {"rank": 4, "targets": "qv"},
        {"rank": 8, "targets": "all-linear", "batch_size": 2},
        {"rank": 16, "targets": "all-linear", "batch_size": 3},
    ]
    return [
        TrainingJob(
            "key",
            stack if i % 2 else [],
            texts(folder / f"data{i}", TEXTS),
            recipe(learning_rate=1e-3, epochs=1, **change),
            i,
        )
        for i, change in enumerate(changes * 2)
    ]


@contextmanager
def cpu_threads(count: int) -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def update_of(folder: Path) -> dict[str, Tensor]:
    """B A of each module, in fp64."""
    layer = read_adapter(folder)
    return {module: layer.b[module].double() @ a.double() for module, a in layer.a.items()}


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Norm of the difference over the norm of `other`, over all modules."""
    apart = math.sqrt(sum(float((one[name] - other[name]).square().sum()) for name in other))
    return apart / math.sqrt(sum(float(value.square().sum()) for value in other.values()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_job_holds_the_memory_that_the_model_says(dtype: torch.dtype) -> None:
    decoder = FrozenBase.share(tiny("llama-tiny", torch.float32).model, dtype)
    chosen = recipe(rank=8, targets="all-linear")

    def held(tokens: int) -> int:
        source = ShuffledEpochs([Row((1,) * tokens, 0)], chosen.batch_size, chosen.epochs, seed=1)
        training = JobState(decoder, TrainingJob("key", [], Path(), chosen, 1), source, (), pad_id=2, pass_tokens=64)
        return sum(storages(training).values())

    modelled = bytes_per_job(decoder, AdapterLayout(decoder, 8, TARGETS["all-linear"]))
    # besides these the optimizer counts its steps
    assert modelled <= held(tokens=300) <= modelled + 64
    assert held(tokens=2) <= modelled + 64


def storages(owner: object) -> dict[int, int]:
    """Bytes by address of every storage that an object of ours, or an optimizer in it, holds."""
    found: dict[int, int] = {}
    for value in vars(owner).values():
        tensors: list[Tensor] = [value] if isinstance(value, Tensor) else []
        if isinstance(value, AdapterView):
            tensors.append(value.flat)
        if isinstance(value, torch.optim.Optimizer):
            tensors += [one for state in value.state.values() for one in state.values()]
        found |= {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return found


def nothing_free(_device: torch.device) -> int:
    return 0


def test_jobs_wait_where_memory_is_short_and_all_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("llama-tiny", torch.float32)
    monkeypatch.setattr(trainer, "available_bytes", nothing_free)
    jobs = [replace(job, training_key=str(i)) for i, job in enumerate(rounding_jobs(tmp_path, [])[:3])]
    engine = BatchedTrainer(model, token_budget=200)
    handles = [engine.submit(job, tmp_path / str(i), 0) for i, job in enumerate(jobs)]
    while report := engine.step():
        # the first is always admitted: it may fit after all, and waiting would free nothing
        assert report.jobs == 1
    assert all(handle.future.result().steps > 0 for handle in handles)
