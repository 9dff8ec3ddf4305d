"""Cross-entropy at the labelled positions only, a chunk at a time, gradient included."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .elementwise import statistics_dtype
from .plan import StepPlan

#: logits held at once
MAX_LOGITS = 2**25


@dataclass(frozen=True)
class TargetLosses:
    """Losses and their gradient at the targets.

    Attributes:
        weighted: [L] each target's cross-entropy times its weight; a job's sum is its loss.
        d_hidden: [L, hidden] gradient of the sum of all jobs' losses.
    """

    weighted: Tensor
    d_hidden: Tensor


def target_losses(hidden: Tensor, head: Tensor, plan: StepPlan) -> TargetLosses:
    """Losses of `hidden` [L, hidden], the plan's targets' final states, under the output layer `head` [V, hidden]."""
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
        logits = hidden[rows] @ head.T
        top, top_index = logits.max(-1, keepdim=True)
        at_label = logits.gather(-1, labels).to(wide)
        probabilities = torch.softmax(logits, -1, dtype=wide)
        # log Σ exp from the largest term: its probability is at least 1/V, so the logarithm is safe
        log_sum = top.to(wide) - probabilities.gather(-1, top_index).log_()
        weighted[rows] = (log_sum - at_label).squeeze(-1) * weights
        d_logits = probabilities.scatter_add_(-1, labels, torch.full_like(at_label, -1.0))
        d_hidden[rows] = (d_logits.to(hidden.dtype) @ head).mul_(weights[:, None])
    return TargetLosses(weighted, d_hidden)
