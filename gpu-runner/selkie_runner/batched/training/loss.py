"""Log-probabilities of the targets and the gradient of their hidden states, in chunks over the targets."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import MAX_LOGITS, FrozenBase
from ..kernels.elementwise import statistics_dtype
from ..kernels.products import times_transposed
from .packing import StepPlan


@dataclass(frozen=True)
class TargetLosses:
    """Losses and their gradient at the targets.

    Attributes:
        of_jobs: [jobs] each job's loss, in the plan's order.
        d_hidden: [L, hidden] gradient of the sum of all jobs' losses.
    """

    of_jobs: Tensor
    d_hidden: Tensor


def target_losses(hidden: Tensor, base: FrozenBase, plan: StepPlan) -> TargetLosses:
    """Losses of `hidden` [L, hidden], the plan's targets' final states, under the base's output layer.

    One pass over the output layer where every job's objective is linear. Otherwise the first pass computes the
    log-probabilities, the objectives turn them into coefficients, and the second pass computes the gradient.
    """
    linear = all(objective.linear for objective in plan.objectives)
    log_probs, d_hidden = _output_pass(hidden, base, plan, -plan.target_weights if linear else None)
    evaluated = [
        objective(log_probs[span], plan.target_weights[span])
        for objective, span in zip(plan.objectives, plan.target_spans, strict=True)
    ]
    if d_hidden is None:
        _, d_hidden = _output_pass(hidden, base, plan, torch.cat([coefficients for _, coefficients in evaluated]))
        assert d_hidden is not None
    return TargetLosses(torch.stack([loss for loss, _ in evaluated]), d_hidden)


def _output_pass(
    hidden: Tensor, base: FrozenBase, plan: StepPlan, coefficients: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities [L]; with `coefficients` [L] also the gradient [L, hidden] of their weighted sum."""
    head = base.head
    wide = statistics_dtype(hidden.dtype)
    log_probs = torch.empty(hidden.shape[0], dtype=wide, device=hidden.device)
    d_hidden = None if coefficients is None else torch.empty_like(hidden)
    chunks = max(1, -(-hidden.shape[0] * head.shape[0] // MAX_LOGITS))
    # of nearly equal size: a small last product would read the whole head for a few rows
    size = max(1, -(-hidden.shape[0] // chunks))
    for start in range(0, hidden.shape[0], size):
        rows = slice(start, start + size)
        labels, probs = plan.targets[rows], plan.target_probs[rows]
        logits = times_transposed(hidden[rows], head, base.packed_head)
        at_labels = logits.gather(-1, labels).to(wide)
        exponentials, sums, log_sums = _exponentials(logits, wide)
        log_probs[rows] = ((at_labels - log_sums) * probs).sum(-1)
        if coefficients is not None and d_hidden is not None:
            # the logits' gradient times `sums`: the division is by rows of the hidden size, not the vocabulary's
            scaled = exponentials.scatter_add_(-1, labels, -(probs * sums))
            d_hidden[rows] = (scaled.to(hidden.dtype) @ head).mul_(-coefficients[rows, None] / sums)
    return log_probs, d_hidden


def _exponentials(logits: Tensor, wide: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """exp(logits) [L, V] up to a factor for each row, their sums and the logarithm of the true sums, each [L, 1].

    May overwrite `logits`.
    """
    if logits.device.type == "cpu":
        # torch's softmax, and its maximum with an index, take twice as long as these passes over the same memory
        top = logits.amax(-1, keepdim=True).to(wide)
        exponentials = logits.to(wide).sub_(top).exp_()
        sums = torch.mv(exponentials, exponentials.new_ones(exponentials.shape[-1])).unsqueeze(1)
        return exponentials, sums, sums.log() + top
    top, top_index = logits.max(-1, keepdim=True)
    probabilities = torch.softmax(logits, -1, dtype=wide)
    # log Σ exp from the largest term: its probability is at least 1/V, so the logarithm is safe
    log_sums = top.to(wide) - probabilities.gather(-1, top_index).log()
    return probabilities, torch.ones_like(log_sums), log_sums
