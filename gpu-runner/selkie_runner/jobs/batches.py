"""One optimizer step's input: rows of tokens to model arguments and targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from .dataset import Row
from .soft_targets import SoftTarget, columns, hard

_IGNORED = -100


@dataclass(frozen=True)
class WeightedTargets:
    """Targets of a batch that are weighted or soft.

    Attributes:
        labels: [positions of the logits, K] token ids.
        probs: [positions of the logits, K] their probabilities.
        weights: [positions of the logits] 0 where there is no loss.
    """

    labels: Tensor
    probs: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Batch:
    """Arguments of a causal model, and the label of each position of its logits.

    Attributes:
        inputs: keyword arguments of the model's `forward`.
        targets: [positions of the logits, flattened], `_IGNORED` where there is no loss.
        target_count: how many targets count; the loss is their mean.
        weighted: the same targets where a row has a weight or soft targets.
    """

    inputs: dict[str, Any]
    targets: Tensor
    target_count: int
    weighted: WeightedTargets | None = None


def packed(rows: Sequence[Row], device: torch.device) -> Batch:
    """The rows in a single sequence without padding; positions restart in each row.

    transformers keeps such rows apart in attention, and `logits_to_keep` has logits made at target positions only.
    """
    ids: list[int] = []
    positions: list[int] = []
    keep: list[int] = []
    for row in rows:
        # the token before a target predicts it; a row's first token has none before it
        keep += range(len(ids) + max(row.first_target, 1) - 1, len(ids) + len(row.ids) - 1)
        ids += row.ids
        positions += range(len(row.ids))
    kept = torch.tensor(keep, dtype=torch.long)
    inputs = {
        "input_ids": torch.tensor([ids], device=device),
        "position_ids": torch.tensor([positions], device=device),
        "logits_to_keep": kept.to(device),
    }
    targets = torch.tensor(ids, dtype=torch.long)[kept + 1]
    soft = [target for row in rows for target in _targets(row, row.ids)]
    weights = [row.weight for row in rows for _ in range(max(row.first_target, 1), len(row.ids))]
    weighted = _weighted(soft, weights, device) if any(map(_is_weighted, rows)) else None
    return Batch(inputs=inputs, targets=targets.to(device), target_count=len(keep), weighted=weighted)


def padded(rows: Sequence[Row], length: int, pad_id: int, device: torch.device) -> Batch:
    """Every row padded to `length`, with the padding hidden as attention keys but counted in the loss."""
    ids = torch.full((len(rows), length), pad_id)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    targets = torch.full((len(rows), length), _IGNORED)
    soft = [hard(pad_id)] * targets.numel()
    weights = [0.0] * targets.numel()
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        mask[index, : len(row.ids)] = 1
        first = max(row.first_target, 1)
        targets[index, first - 1 : -1] = ids[index, first:]
        predicting = slice(index * length + first - 1, (index + 1) * length - 1)
        soft[predicting] = _targets(row, row.ids + (pad_id,) * (length - len(row.ids)))
        weights[predicting] = [row.weight] * (length - first)
    inputs = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
    flat = targets.flatten()
    weighted = _weighted(soft, weights, device) if any(map(_is_weighted, rows)) else None
    return Batch(inputs, flat.to(device), int((flat != _IGNORED).sum()), weighted)


def mean_loss(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Cross-entropy in fp32, as the mean over the batch's targets; 0 for a batch without any."""
    return loss_of_logits(model(**batch.inputs, use_cache=False).logits.float(), batch)


def loss_of_logits(logits: Tensor, batch: Batch) -> Tensor:
    """The batch's loss [] from its logits [1 or rows, positions, vocabulary]."""
    logits = logits.flatten(0, 1)
    if batch.weighted is None:
        total = nn.functional.cross_entropy(logits, batch.targets, ignore_index=_IGNORED, reduction="sum")
    else:
        log_probs = logits.log_softmax(-1).gather(-1, batch.weighted.labels)
        total = -(batch.weighted.weights[:, None] * batch.weighted.probs * log_probs).sum()
    return total / max(batch.target_count, 1)


def _is_weighted(row: Row) -> bool:
    return row.weight != 1 or row.soft_targets is not None


def _targets(row: Row, ids: Sequence[int]) -> list[SoftTarget]:
    """The target of each predicted position of a row that is computed as `ids`."""
    if row.predicted_soft_targets is None:
        return [hard(token) for token in ids[max(row.first_target, 1) :]]
    return [*row.predicted_soft_targets, *(hard(token) for token in ids[len(row.ids) :])]


def _weighted(targets: Sequence[SoftTarget], weights: Sequence[float], device: torch.device) -> WeightedTargets:
    labels, probs = columns(targets)
    return WeightedTargets(
        torch.tensor(labels, dtype=torch.long, device=device),
        torch.tensor(probs, dtype=torch.float64, device=device),
        torch.tensor(weights, dtype=torch.float64, device=device),
    )


@torch.no_grad()
def keeps_packed_rows_apart(model: PreTrainedModel) -> bool:
    """Whether a row's logits in a packed sequence are independent of the row before it."""
    second = Row((1, 2, 3), 0)
    one, other = (
        model(**packed([first, second], model.device).inputs, use_cache=False).logits[:, -2:].float()
        for first in (Row((4, 5, 6), 0), Row((9, 8, 7), 0))
    )
    return torch.allclose(one, other, atol=1e-4)
