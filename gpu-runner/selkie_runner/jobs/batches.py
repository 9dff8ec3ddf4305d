"""One optimizer step's input: rows of tokens to model arguments and targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from .dataset import Row

_IGNORED = -100


@dataclass(frozen=True)
class Batch:
    """Arguments of a causal model, and the label of each position of its logits.

    Attributes:
        inputs: keyword arguments of the model's `forward`.
        targets: [positions of the logits, flattened], `_IGNORED` where there is no loss.
        target_count: how many targets count; the loss is their mean.
    """

    inputs: dict[str, Any]
    targets: Tensor
    target_count: int


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
    return Batch(inputs=inputs, targets=targets.to(device), target_count=len(keep))


def padded(rows: Sequence[Row], length: int, pad_id: int, device: torch.device) -> Batch:
    """Every row padded to `length`, with the padding hidden as attention keys but counted in the loss."""
    ids = torch.full((len(rows), length), pad_id)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    targets = torch.full((len(rows), length), _IGNORED)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        mask[index, : len(row.ids)] = 1
        first = max(row.first_target, 1)
        targets[index, first - 1 : -1] = ids[index, first:]
    inputs = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
    flat = targets.flatten()
    return Batch(inputs=inputs, targets=flat.to(device), target_count=int((flat != _IGNORED).sum()))


def mean_loss(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Cross-entropy in fp32, as the mean over the batch's targets; 0 for a batch without any."""
    logits: Tensor = model(**batch.inputs, use_cache=False).logits
    total = nn.functional.cross_entropy(
        logits.float().flatten(0, 1), batch.targets, ignore_index=_IGNORED, reduction="sum"
    )
    return total / max(batch.target_count, 1)


@torch.no_grad()
def keeps_packed_rows_apart(model: PreTrainedModel) -> bool:
    """Whether a row's logits in a packed sequence are independent of the row before it."""
    second = Row((1, 2, 3), 0)
    one, other = (
        model(**packed([first, second], model.device).inputs, use_cache=False).logits[:, -2:].float()
        for first in (Row((4, 5, 6), 0), Row((9, 8, 7), 0))
    )
    return torch.allclose(one, other, atol=1e-4)
