"""Losses of log-probabilities: soft and weighted targets, and losses that take two passes, against autograd in fp64."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.training import loss as loss_module
from selkie_runner.batched.training.loss import TargetLosses, target_losses
from selkie_runner.batched.training.objectives import Objective, WeightedLikelihood
from selkie_runner.batched.training.packing import Segment, StepPlan, plan_step
from selkie_runner.jobs.dataset import Row
from selkie_runner.jobs.soft_targets import SoftTarget
from support.batched import engine_gradients, oracle_gradients, random_layer, relative, tiny, true_fp64
from support.engine import FAMILIES

BETA = 0.1


class Preference:
    """DPO of two rows: the first half of the targets is the chosen one's, the second half the rejected one's."""

    linear = False

    def __init__(self, reference_margin: float) -> None:
        self._reference_margin = reference_margin

    def __call__(self, log_probs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        chosen, rejected = log_probs.chunk(2)
        z = BETA * (chosen.sum() - rejected.sum() - self._reference_margin)
        slope = -BETA * torch.sigmoid(-z)
        return -torch.nn.functional.logsigmoid(z), torch.cat([slope.expand_as(chosen), -slope.expand_as(rejected)])


@dataclass(frozen=True)
class PolicyGradient:
    """Clipped surrogate with the old log-probabilities [n] of the sampled tokens; `weights` are the advantages / n."""

    old: Tensor
    clip: float = 0.2
    linear = False

    def __call__(self, log_probs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        ratio = (log_probs - self.old).exp()
        limited = ratio.clamp(1 - self.clip, 1 + self.clip)
        active = ratio * weights <= limited * weights
        return -torch.minimum(ratio * weights, limited * weights).sum(), torch.where(active, -ratio * weights, 0.0)


def base() -> FrozenBase:
    return FrozenBase.share(tiny("llama-tiny").model)


def row(length: int, seed: int, *, labels: int = 0, weight: float = 1.0, first_target: int = 3) -> Row:
    """Random tokens; with `labels`, that many random soft labels at each learnt token."""
    generator = torch.Generator().manual_seed(seed)
    ids = tuple(torch.randint(0, 256, (length,), generator=generator).tolist())
    targets: list[SoftTarget] = []
    for _ in range(length - first_target):
        tokens = torch.randperm(256, generator=generator)[:labels].tolist()
        shares = torch.rand(labels, generator=generator, dtype=torch.float64).softmax(-1).tolist()
        targets.append(tuple(zip(tokens, shares, strict=True)))
    return Row(ids, first_target, weight, tuple(targets) if labels else None)


def losses_of(plan: StepPlan, decoder: FrozenBase, seed: int = 0) -> tuple[Tensor, TargetLosses]:
    """Random final states [L, hidden], and their losses."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(len(plan.targets), decoder.head.shape[1], generator=generator, dtype=decoder.dtype)
    return hidden, target_losses(hidden, decoder, plan)


@pytest.mark.parametrize("family", FAMILIES)
def test_weighted_soft_targets_have_the_gradients_of_the_oracle(family: str) -> None:
    with true_fp64():
        model = tiny(family)
        decoder = FrozenBase.share(model.model)
        mixes = [
            [row(20, 1, labels=5), row(9, 2, weight=-0.5)],
            [row(12, 3)],
            [row(15, 4, labels=1, weight=0.25), row(7, 5, labels=3, first_target=0)],
        ]
        jobs = [([], random_layer(decoder, 4, 8.0, "all-linear", i), rows) for i, rows in enumerate(mixes)]
        for (loss, gradients), job in zip(engine_gradients(decoder, jobs), jobs, strict=True):
            wanted_loss, wanted = oracle_gradients(model, *job)
            assert loss == pytest.approx(wanted_loss, rel=1e-12)
            assert relative(gradients, wanted) < 1e-10


def test_the_soft_target_worked_by_hand() -> None:
    """Logits [0, 1, 2] with probabilities [.7, .2, .1]: cross-entropy 2.007606, gradient p - q."""
    decoder = base()
    soft = ((0, 0.7), (1, 0.2), (2, 0.1))
    plan = plan_step([[Segment((5, 6), 1, 2, soft_targets=[soft])]], decoder)
    head = torch.eye(3, decoder.head.shape[1], dtype=torch.float64)
    hidden = torch.zeros(1, decoder.head.shape[1], dtype=torch.float64)
    hidden[0, :3] = torch.tensor([0.0, 1.0, 2.0])
    found = target_losses(hidden, replace(decoder, head=head, packed_head=None), plan)
    assert found.of_jobs.item() == pytest.approx(2.007606, abs=1e-6)
    assert found.d_hidden[0, :3].tolist() == pytest.approx([-0.609969, 0.044728, 0.565241], abs=1e-6)


def test_one_label_with_probability_one_has_the_bits_of_the_token() -> None:
    decoder = FrozenBase.share(tiny("llama-tiny", torch.float32).model)
    ids = tuple(range(3, 15))
    soft = [((token, 1.0),) for token in ids[1:]]
    plain, found = (
        losses_of(plan_step([[Segment(ids, 0, 12, soft_targets=targets)]], decoder), decoder)[1]
        for targets in (None, soft)
    )
    assert torch.equal(plain.of_jobs, found.of_jobs)
    assert torch.equal(plain.d_hidden, found.d_hidden)


def test_preference_worked_by_hand() -> None:
    """Policy minus reference is +2 for the chosen and -1 for the rejected: loss .5543552, slope .0425557."""
    log_probs = torch.tensor([2.0, -1.0], dtype=torch.float64)
    loss, slope = Preference(0.0)(log_probs, torch.ones(2))
    assert loss.item() == pytest.approx(0.5543552, abs=1e-7)
    assert slope.tolist() == pytest.approx([-0.0425557, 0.0425557], abs=1e-7)


@pytest.mark.parametrize(
    ("advantage", "ratio", "value"), [(1.16145, 1.3, 1.39374), (-1.16145, 0.7, -0.92916), (1.16145, 0.9, 1.04531)]
)
def test_the_clipped_surrogate_worked_by_hand(advantage: float, ratio: float, value: float) -> None:
    log_probs = torch.tensor([math.log(ratio)], dtype=torch.float64)
    loss, _ = PolicyGradient(torch.zeros(1, dtype=torch.float64))(log_probs, torch.tensor([advantage]))
    assert -loss.item() == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("max_logits", [2**25, 256 * 4])
def test_two_passes_have_the_gradients_of_autograd(max_logits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_module, "MAX_LOGITS", max_logits)
    decoder = base()
    pair = [Segment(row(10, seed).ids, 2, 10) for seed in (1, 2)]
    sampled = Segment(row(9, 3).ids, 1, 9, weight=-1.5)
    plain = Segment(row(8, 4).ids, 1, 8)
    objectives: list[Objective] = [
        Preference(0.3),
        PolicyGradient(torch.linspace(-7, -4, 8, dtype=torch.float64)),
        WeightedLikelihood(),
    ]
    plan = plan_step([pair, [sampled], [plain]], decoder, objectives=objectives)
    hidden, found = losses_of(plan, decoder)

    with torch.enable_grad():
        hidden.requires_grad_()
        log_probs = (hidden @ decoder.head.T).log_softmax(-1).gather(-1, plan.targets).squeeze(-1)
        jobs = zip(objectives, plan.target_spans, strict=True)
        losses = torch.stack([one(log_probs[span], plan.target_weights[span])[0] for one, span in jobs])
        (wanted,) = torch.autograd.grad(losses.sum(), [hidden])
    assert torch.allclose(found.of_jobs, losses, rtol=1e-12)
    assert torch.allclose(found.d_hidden, wanted, rtol=1e-10, atol=1e-13)


def test_a_policy_gradient_at_the_old_policy_is_the_weighted_likelihood() -> None:
    decoder = base()
    jobs = [[Segment(row(9, 3).ids, 1, 9, weight=-1.5)]]
    hidden, weighted = losses_of(plan_step(jobs, decoder), decoder)
    plan = plan_step(jobs, decoder)
    old = (hidden @ decoder.head.T).log_softmax(-1).gather(-1, plan.targets).squeeze(-1)
    found = target_losses(hidden, decoder, replace(plan, objectives=(PolicyGradient(old),)))
    assert torch.allclose(found.d_hidden, weighted.d_hidden, rtol=1e-10, atol=1e-13)
