"""One step's rows, packed: where each job's tokens lie, who attends to whom, where a loss is taken."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...jobs.dataset import Row
from ...jobs.job import Recipe
from ..base import FrozenBase
from ..kernels.attention import AttentionPlan, PackedRow, plan_attention
from ..kernels.elementwise import statistics_dtype


@dataclass(frozen=True)
class Segment:
    """One training sequence as it is computed.

    Attributes:
        ids: token ids.
        first_target: the tokens from here on are predicted, each from the one before it.
        keys: the number of leading positions that may be attended to; fewer than `len(ids)` in a padded row.
        prefix: the tokens before `ids`, computed once for all rows of a job that share them; none of them is predicted.
        cached_hidden: hidden states that enter the lowest trained layer, or None: [len(ids), hidden] in pieces, which
            rows may share.
    """

    ids: Sequence[int]
    first_target: int
    keys: int
    prefix: "Segment | None" = None
    cached_hidden: tuple[Tensor, ...] | None = field(default=None, compare=False, repr=False)

    @property
    def predicted(self) -> range:
        """The positions that are predicted; a row's first token has none before it."""
        return range(max(self.first_target, 1), len(self.ids))


def segment(row: Row, recipe: Recipe, pad_id: int) -> Segment:
    """A dataset's row as the recipe computes it: unpadded, or padded as SEAL's training server pads."""
    if recipe.loss_on_padding == "mask":
        return Segment(row.ids, row.first_target, len(row.ids))
    padding = (pad_id,) * (recipe.max_length - len(row.ids))
    return Segment(row.ids + padding, row.first_target, len(row.ids))


def packed_rows(segments: Iterable[Segment]) -> list[Segment]:
    """The segments in packed order: a shared prefix once, before the first segment that continues it."""
    rows: list[Segment] = []
    prefixes: set[int] = set()
    for part in segments:
        if part.prefix is not None and id(part.prefix) not in prefixes:
            prefixes.add(id(part.prefix))
            rows.append(part.prefix)
        rows.append(part)
    return rows


def packed_tokens(segments: Iterable[Segment]) -> int:
    """Tokens that are computed for these rows of a job."""
    return sum(len(row.ids) for row in packed_rows(segments))


@dataclass(frozen=True)
class StepPlan:
    """A packed batch, jobs one after another, without padding.

    Attributes:
        ids: [T] token ids.
        positions: [T] positions, from 0 in each row, or from its prefix on.
        spans: each job's rows of [0, T).
        target_rows: [L] rows whose next token has a label, in order.
        targets: [L] those labels.
        target_weights: [L] 1 / n, n the job's number of targets in this step.
        target_spans: each job's part of [0, L).
        cached_hidden: [T, hidden] states that enter the lowest trained layer, or None unless every row has them.
    """

    ids: Tensor
    positions: Tensor
    spans: tuple[slice, ...]
    target_rows: Tensor
    targets: Tensor
    target_weights: Tensor
    target_spans: tuple[slice, ...]
    attention: AttentionPlan
    cached_hidden: Tensor | None

    @property
    def tokens(self) -> int:
        """Rows of every product with a frozen weight."""
        return self.ids.shape[0]


def plan_step(
    jobs: Sequence[Sequence[Segment]],
    base: FrozenBase,
    target_counts: Sequence[int] | None = None,
) -> StepPlan:
    """Pack the rows that each job trains on in this step.

    Args:
        target_counts: number of targets that each job's loss is a mean over, where this pass is part of a larger step;
            by default the job's targets in this pass.
    """
    ids: list[int] = []
    positions: list[int] = []
    spans: list[slice] = []
    target_rows: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    target_spans: list[slice] = []
    attended: list[PackedRow] = []
    states: list[tuple[Tensor, ...] | None] = []
    for index, segments in enumerate(jobs):
        start, target_start = len(ids), len(targets)
        numbers: dict[int, int] = {}
        for row in packed_rows(segments):
            numbers[id(row)] = len(attended)
            before = 0 if row.prefix is None else len(row.prefix.ids)
            attended.append(PackedRow(len(row.ids), row.keys, None if row.prefix is None else numbers[id(row.prefix)]))
            target_rows.extend(len(ids) + position - 1 for position in row.predicted)
            targets.extend(row.ids[position] for position in row.predicted)
            ids.extend(row.ids)
            positions.extend(range(before, before + len(row.ids)))
            states.append(row.cached_hidden)
        count = len(targets) - target_start
        mean_over = count if target_counts is None else target_counts[index]
        # a job without a target in this step has no weight to give, so nothing is divided by 0
        weights.extend([1 / mean_over] * count if count else [])
        spans.append(slice(start, len(ids)))
        target_spans.append(slice(target_start, len(targets)))

    def tensor(values: Sequence[float], kind: torch.dtype) -> Tensor:
        return torch.tensor(values, dtype=kind).to(base.device, non_blocking=True)

    return StepPlan(
        ids=tensor(ids, torch.long),
        positions=tensor(positions, torch.long),
        spans=tuple(spans),
        target_rows=tensor(target_rows, torch.long),
        targets=tensor(targets, torch.long),
        target_weights=tensor(weights, statistics_dtype(base.dtype)),
        target_spans=tuple(target_spans),
        attention=plan_attention(attended, heads=base.heads, kv_heads=base.kv_heads, device=base.device),
        cached_hidden=_joined(states),
    )


def _joined(states: Sequence[tuple[Tensor, ...] | None]) -> Tensor | None:
    known = [pieces for pieces in states if pieces is not None]
    return torch.cat([piece for pieces in known for piece in pieces]) if len(known) == len(states) else None
