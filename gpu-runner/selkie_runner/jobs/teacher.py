"""A learner as its own teacher: its predictions with another prompt, such as the document, are a row's targets.

Context distillation, off-policy and teacher-forced (arXiv 2412.14964): the row's completion is read after the teacher's
prompt, and what the frozen layers predict there is kept as soft targets. With the row's own prompt the rows keep what
the learner knew: a KL penalty on replayed rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ..errors import InvalidTraining
from .job import Recipe
from .soft_targets import SoftTarget

if TYPE_CHECKING:
    from .dataset import Row

#: labels of a soft target: of SmolLM2's predictions they hold nearly all probability
TOP = 32


@dataclass(frozen=True)
class Teacher:
    """What is read instead of a row's prompt.

    Attributes:
        ids: the teacher's prompt.
        label_share: the share of each target that is the row's own token; the rest is the teacher's prediction.
    """

    ids: tuple[int, ...]
    label_share: float


def parse_teacher(value: object) -> tuple[str, float]:
    """Read `{"prompt": …, "labelShare": …}`; the share is 0 where it is absent.

    Raises:
        ValueError: it is something else.
    """
    match value:
        case {"prompt": str(prompt), **rest} if not set(rest) - {"labelShare"}:
            share = cast(dict[str, object], rest).get("labelShare", 0)
            if isinstance(share, (int, float)) and not isinstance(share, bool) and 0 <= share <= 1:
                return prompt, float(share)
        case _:
            pass
    raise ValueError('a teacher must be {"prompt"} with, at most, a "labelShare" from 0 to 1')


def check_teachers(rows: Sequence["Row"], recipe: Recipe, max_length: int) -> None:
    """Refuse teachers that an engine cannot follow.

    Raises:
        InvalidTraining: what a teacher reads is longer than the model's `max_length`, or the recipe pads rows.
    """
    lengths = [len(read_by_teacher(row).ids) for row in rows if row.teacher is not None]
    if lengths and recipe.loss_on_padding == "reference":
        raise InvalidTraining("rows with a teacher cannot be padded; use the recipe's lossOnPadding mask")
    if lengths and max(lengths) > max_length:
        raise InvalidTraining(f"a teacher reads {max(lengths)} tokens, and the model at most {max_length}")


def read_by_teacher(row: "Row") -> "Row":
    """The row as its teacher reads it."""
    assert row.teacher is not None
    return replace(
        row,
        ids=row.teacher.ids + row.ids[row.first_target :],
        first_target=len(row.teacher.ids),
        teacher=None,
    )


def is_own_teacher(row: "Row") -> bool:
    """Whether the row's teacher reads what the row reads."""
    return row.teacher is not None and row.teacher.ids == row.ids[: row.first_target]


def most_likely(logits: Tensor) -> list[SoftTarget]:
    """The `TOP` most likely labels of each position of `logits` [n, vocabulary], their probabilities normalised."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    top = wide.topk(min(TOP, wide.shape[-1]), dim=-1)
    probabilities = torch.softmax(top.values, -1)
    pairs = zip(top.indices.tolist(), probabilities.tolist(), strict=True)
    return [tuple(zip(labels, shares, strict=True)) for labels, shares in pairs]


def taught(row: "Row", predictions: Sequence[SoftTarget]) -> "Row":
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
