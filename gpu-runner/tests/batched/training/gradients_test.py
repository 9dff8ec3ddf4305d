"""One packed pass against Hugging Face and PEFT, each job alone, in fp64: losses and gradients are the same."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.kernels import attention
from selkie_runner.batched.lora.layout import LoraTerm
from selkie_runner.batched.training.forward_backward import forward_backward
from selkie_runner.batched.training.packing import Segment, plan_step
from selkie_runner.jobs import batches
from selkie_runner.jobs.dataset import Row
from selkie_runner.jobs.job import Targets
from selkie_runner.lora.weights import LoraWeights
from support.batched import engine_gradients, oracle_gradients, random_layer, relative, tiny, true_fp64, view_of
from support.engine import ALL_FAMILIES, FAMILIES

VOCABULARY = 256


def row(length: int, first_target: int = 0, seed: int = 0, beginning: int = 0) -> Row:
    """Random tokens, after the first `beginning` of those with which such rows all begin."""
    generator = torch.Generator().manual_seed(1000 * seed + length)
    ids = torch.randint(0, VOCABULARY, (length,), generator=generator).tolist()
    return Row((*tokens_of_beginning[:beginning], *ids), beginning + first_target)


tokens_of_beginning = tuple(torch.randint(0, VOCABULARY, (300,), generator=torch.Generator().manual_seed(7)).tolist())
rows = st.builds(
    row,
    length=st.integers(1, 80),
    first_target=st.integers(0, 40),
    seed=st.integers(0, 99),
    beginning=st.sampled_from([0, 0, 40, 47, 90]),
)
#: rank, alpha, targets, seed, lowest layer
DrawnLayer = tuple[int, float, Targets, int, int]
layers = st.tuples(
    st.integers(1, 12),
    st.floats(0.5, 16),
    st.sampled_from(["qv", "all-linear"]),
    st.integers(0, 10_000),
    st.sampled_from([0, 0, 1]),
)
jobs = st.tuples(st.lists(layers, max_size=3), layers, st.lists(rows, min_size=1, max_size=4))


def drawn(decoder: FrozenBase, layer: DrawnLayer) -> LoraWeights:
    rank, alpha, targets, seed, lowest = layer
    return random_layer(decoder, rank, alpha, targets, seed, lowest=lowest)


@pytest.mark.parametrize("family", ALL_FAMILIES)
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(mix=st.lists(jobs, min_size=1, max_size=4))
def test_any_mix_of_jobs_has_the_gradients_of_each_alone(
    family: str,
    mix: list[tuple[list[DrawnLayer], DrawnLayer, list[Row]]],
) -> None:
    with true_fp64():
        model = tiny(family)
        decoder = FrozenBase.share(model.model)
        batch = [
            ([drawn(decoder, frozen) for frozen in stack], drawn(decoder, layer), members)
            for stack, layer, members in mix
        ]
        for (loss, gradients), job in zip(engine_gradients(decoder, batch), batch, strict=True):
            wanted_loss, wanted = oracle_gradients(model, *job)
            assert loss == pytest.approx(wanted_loss, rel=1e-12)
            if any(len(members.ids) > max(members.first_target, 1) for members in job[2]):
                assert relative(gradients, wanted) < 1e-10
            else:
                assert all(not gradient.any() for gradient in gradients.values())


@pytest.mark.parametrize("scores", [attention.MAX_RECOMPUTED_SCORES, 4 * 310 * 40])
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_too_long_to_keep_their_probabilities(family: str, scores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "RECOMPUTE_ABOVE", 256)
    # the smaller number makes blocks of 38 and of 40 queries
    monkeypatch.setattr(attention, "MAX_RECOMPUTED_SCORES", scores)
    with true_fp64():
        model = tiny(family)
        decoder = FrozenBase.share(model.model)
        members = [row(300), row(7), row(300, 250, 1), row(9, 5, 1, 260), row(30, 20, 2, 260), row(12, 1, 3, 260)]
        job = ([], random_layer(decoder, 4, 8.0, "all-linear", 1), members)
        ((loss, gradients),) = engine_gradients(decoder, [job])
        wanted_loss, wanted = oracle_gradients(model, *job)
        assert loss == pytest.approx(wanted_loss, rel=1e-12)
        assert relative(gradients, wanted) < 1e-10


@pytest.mark.parametrize("kept", [0, 512])
@pytest.mark.parametrize("family", FAMILIES)
def test_padding_that_carries_a_loss_is_the_padded_batch_of_the_reference(
    family: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "RECOMPUTE_ABOVE", kept)
    # rows that are not kept are computed in blocks of 16 queries
    monkeypatch.setattr(attention, "MAX_RECOMPUTED_SCORES", 1)
    with true_fp64():
        model = tiny(family)
        decoder = FrozenBase.share(model.model)
        layer = random_layer(decoder, 4, 8.0, "all-linear", 1)
        short = [row(11), row(23, 4)]
        padded = [Segment(r.ids + (model.eos_id,) * (40 - len(r.ids)), r.first_target, len(r.ids)) for r in short]
        weights = view_of(decoder, layer, torch.float64)
        gradients = weights.layout.view(torch.empty_like(weights.flat))
        plan = plan_step([padded], decoder)
        loss = forward_backward(decoder, plan, [LoraTerm(plan.spans[0], weights, layer.scale, gradients)])

        model.adapters.add("it", layer)
        model.adapters.activate("it", trainable="it")
        wanted_loss = batches.mean_loss(model.model, batches.padded(short, 40, model.eos_id, model.device))
        wanted_loss.backward()
        wanted = {name: value.grad for name, value in model.adapters.parameters("it").items() if value.grad is not None}
        found = {f"{n}.{s}": g for n, a, b in gradients.modules() for s, g in (("A", a), ("B", b))}
        assert loss.item() == pytest.approx(wanted_loss.item(), rel=1e-12)
        assert relative(found, wanted) < 1e-10


@pytest.mark.parametrize("kept", [0, 512])
@pytest.mark.parametrize("family", FAMILIES)
def test_bf16_is_near_fp32(family: str, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "RECOMPUTE_ABOVE", kept)
    monkeypatch.setattr(attention, "MAX_RECOMPUTED_SCORES", 1)
    model = tiny(family, torch.float32)
    exact, rounded = FrozenBase.share(model.model), FrozenBase.share(model.model, torch.bfloat16)
    job = ([], random_layer(exact, 8, 8.0, "all-linear", 1, size=0.05), [row(30), row(50)])
    ((loss, gradients),) = engine_gradients(exact, [job])
    ((near_loss, near),) = engine_gradients(rounded, [job])
    assert near_loss == pytest.approx(loss, rel=2e-2)
    for name, gradient in gradients.items():
        found = near[name].float()
        cosine = torch.nn.functional.cosine_similarity(gradient.flatten(), found.flatten(), dim=0)
        assert cosine > 0.99, name
        # a wrong factor keeps the direction
        assert found.norm().item() == pytest.approx(gradient.norm().item(), rel=2e-2), name


def test_products_with_frozen_weights_see_real_tokens_only() -> None:
    decoder = FrozenBase.share(tiny("llama-tiny").model)
    segments = [[Segment(row(n).ids, 0, n) for n in lengths] for lengths in ((5, 33), (1,), (64, 2, 9))]
    assert plan_step(segments, decoder).tokens == 5 + 33 + 1 + 64 + 2 + 9


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_cannot_be_computed_is_refused(family: str) -> None:
    model = tiny(family).model
    model.config.hidden_act = "gelu"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="activation 'gelu'"):
        FrozenBase.share(model)


def test_a_sliding_window_is_refused() -> None:
    model = tiny("mistral-tiny").model
    model.config.sliding_window = 4096  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="sliding-window attention"):
        FrozenBase.share(model)


def test_grouped_products_in_bf16_have_the_scale_of_the_export() -> None:
    decoder = FrozenBase.share(tiny("llama-tiny", torch.float32).model, torch.bfloat16)
    # 4/3, which bf16 rounds by 0.2 %
    batch = [([], random_layer(decoder, 48, 64.0, "qv", seed, size=0.05), [row(60, 0, seed)]) for seed in (1, 2)]
    lone, together = (engine_gradients(decoder, batch, grouped=grouped) for grouped in (False, True))
    norms = [
        torch.cat([gradient.flatten().float() for name, gradient in gradients.items() if name.endswith(".A")]).norm()
        for gradients in (lone[1][1], together[1][1])
    ]
    assert norms[1].item() == pytest.approx(norms[0].item(), rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_grouped_products_equal_one_adapter_after_the_other(family: str, dtype: torch.dtype) -> None:
    decoder = FrozenBase.share(tiny(family, torch.float32).model, dtype)
    shapes: list[tuple[int, Targets]] = [(8, "qv"), (8, "qv"), (16, "all-linear"), (16, "all-linear"), (8, "qv")]
    frozen = random_layer(decoder, 3, 2.0, "qv", 9, size=0.05)
    batch = [
        ([frozen] if i == 1 else [], random_layer(decoder, rank, 4.0 + i, targets, i, size=0.05), [row(9 * i + 1)])
        for i, (rank, targets) in enumerate(shapes)
    ]
    lone, together = (engine_gradients(decoder, batch, grouped=grouped) for grouped in (False, True))
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    for (loss, gradients), (grouped_loss, grouped) in list(zip(lone, together, strict=True))[1:]:
        assert grouped_loss == pytest.approx(loss, rel=tolerance)
        assert relative(grouped, gradients) < tolerance
