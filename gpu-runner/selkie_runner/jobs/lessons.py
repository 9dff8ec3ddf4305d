"""Rows with a teacher, as it reads them and with the targets that it predicts. Pure functions, for both engines."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import InvalidTraining
from .dataset import Row
from .job import Recipe
from .soft_targets import SoftTarget

#: labels of a soft target: of SmolLM2's predictions they hold nearly all probability
TOP = 32


def check_teachers(rows: Sequence[Row], recipe: Recipe, max_length: int) -> None:
    """Refuse teachers that an engine cannot follow.

    Raises:
        InvalidTraining: what a teacher reads is longer than the model's `max_length`, or the recipe pads rows.
    """
    lengths = [len(read_by_teacher(row).ids) for row in rows if row.teacher is not None]
    if lengths and recipe.loss_on_padding == "reference":
        raise InvalidTraining("rows with a teacher cannot be padded; use the recipe's lossOnPadding mask")
    if lengths and max(lengths) > max_length:
        raise InvalidTraining(f"a teacher reads {max(lengths)} tokens, and the model at most {max_length}")


def read_by_teacher(row: Row) -> Row:
    """The row as its teacher reads it."""
    assert row.teacher is not None
    return replace(
        row,
        ids=row.teacher.ids + row.ids[row.first_target :],
        first_target=len(row.teacher.ids),
        teacher=None,
    )


def is_own_teacher(row: Row) -> bool:
    """Whether the row's teacher reads what the row reads."""
    return row.teacher is not None and row.teacher.ids == row.ids[: row.first_target]


def most_likely(logits: Tensor) -> list[SoftTarget]:
    """The `TOP` most likely labels of each position of `logits` [n, vocabulary], their probabilities normalised."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    top = wide.topk(min(TOP, wide.shape[-1]), dim=-1)
    probabilities = torch.softmax(top.values, -1)
    pairs = zip(top.indices.tolist(), probabilities.tolist(), strict=True)
    return [tuple(zip(labels, shares, strict=True)) for labels, shares in pairs]


def taught(row: Row, predictions: Sequence[SoftTarget]) -> Row:
    """The row with its targets: the teacher's `predictions`, one per learnt token, mixed with its own tokens."""
    assert row.teacher is not None
    share = row.teacher.label_share
    soft_targets = tuple(
        _mixed(token, share, prediction)
        for token, prediction in zip(row.ids[row.first_target :], predictions, strict=True)
    )
    return replace(row, soft_targets=soft_targets, teacher=None)


def _mixed(token: int, share: float, prediction: SoftTarget) -> SoftTarget:
    if share == 0:
        return prediction
    # a label that comes twice counts with both shares
    return ((token, share), *((label, (1 - share) * probability) for label, probability in prediction))
