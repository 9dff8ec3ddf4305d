"""Cross-entropy at the labelled positions only, a chunk at a time, gradient included."""

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
        weighted: [L] each target's cross-entropy times its weight; a job's sum is its loss.
        d_hidden: [L, hidden] gradient of the sum of all jobs' losses.
    """

    weighted: Tensor
    d_hidden: Tensor


def target_losses(hidden: Tensor, base: FrozenBase, plan: StepPlan) -> TargetLosses:
    """Losses of `hidden` [L, hidden], the plan's targets' final states, under the base's output layer."""
    head = base.head
    wide = statistics_dtype(hidden.dtype)
    weighted = torch.empty(hidden.shape[0], dtype=wide, device=hidden.device)
    d_hidden = torch.empty_like(hidden)
    chunks = max(1, -(-hidden.shape[0] * head.shape[0] // MAX_LOGITS))
    # of nearly equal size: a small last product would read the whole head for a few rows
    size = max(1, -(-hidden.shape[0] // chunks))
    for start in range(0, hidden.shape[0], size):
        rows = slice(start, start + size)
        labels = plan.targets[rows, None]
        weights = plan.target_weights[rows]
        logits = times_transposed(hidden[rows], head, base.packed_head)
        at_label = logits.gather(-1, labels).to(wide)
        exponentials, sums, log_sums = _exponentials(logits, wide)
        weighted[rows] = (log_sums - at_label).squeeze(-1) * weights
        # the logits' gradient times `sums`, so that rows of `hidden`'s width are divided and not of the vocabulary's
        scaled = exponentials.scatter_add_(-1, labels, -sums)
        d_hidden[rows] = (scaled.to(hidden.dtype) @ head).mul_(weights[:, None] / sums)
    return TargetLosses(weighted, d_hidden)


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
