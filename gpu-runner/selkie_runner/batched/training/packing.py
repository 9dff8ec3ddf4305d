"""One step's rows, packed: where each job's tokens lie, who attends to whom, where a loss is taken."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...jobs.dataset import Row
from ...jobs.job import Recipe
from ...jobs.soft_targets import SoftTarget, columns, hard
from ..base import FrozenBase
from ..kernels.attention import AttentionPlan, PackedRow, plan_attention
from ..kernels.elementwise import statistics_dtype
from .objectives import Objective, WeightedLikelihood


@dataclass(frozen=True)
class Segment:
    """One training sequence as it is computed.

    Attributes:
        ids: token ids.
        first_target: the tokens from here on are predicted, each from the one before it.
        keys: the number of leading positions that may be attended to; fewer than `len(ids)` in a padded row.
        prefix: the tokens before `ids`, computed once for all rows of a job that share them; none of them is predicted.
        weight: multiplies the loss of every target; may be negative.
        soft_targets: one per position in `predicted`, or None where each is the token itself.
        cached_hidden: hidden states that enter the lowest trained layer, or None: [len(ids), hidden] in pieces, which
            rows may share.
    """

    ids: Sequence[int]
    first_target: int
    keys: int
    prefix: "Segment | None" = None
    weight: float = 1.0
    soft_targets: Sequence[SoftTarget] | None = None
    cached_hidden: tuple[Tensor, ...] | None = field(default=None, compare=False, repr=False)

    @property
    def predicted(self) -> range:
        """The positions that are predicted; a row's first token has none before it."""
        return range(max(self.first_target, 1), len(self.ids))

    @property
    def targets(self) -> Sequence[SoftTarget]:
        """The target of each position in `predicted`."""
        return self.soft_targets or [hard(self.ids[position]) for position in self.predicted]


def segment(row: Row, recipe: Recipe, pad_id: int) -> Segment:
    """A dataset's row as the recipe computes it: unpadded, or padded as SEAL's training server pads."""
    if recipe.loss_on_padding == "mask":
        return Segment(
            row.ids, row.first_target, len(row.ids), weight=row.weight, soft_targets=row.predicted_soft_targets
        )
    padding = (pad_id,) * (recipe.max_length - len(row.ids))
    soft_targets = row.predicted_soft_targets
    return Segment(
        row.ids + padding,
        row.first_target,
        len(row.ids),
        weight=row.weight,
        soft_targets=None if soft_targets is None else soft_targets + tuple(hard(token) for token in padding),
    )


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
        targets: [L, K] those labels, K for each target.
        target_probs: [L, K] the labels' probabilities, which add up to 1 in each row.
        target_weights: [L] the row's weight / n, n the job's number of targets in this step.
        objectives: each job's loss, a function of its targets' log-probabilities.
        target_spans: each job's part of [0, L).
        cached_hidden: [T, hidden] states that enter the lowest trained layer, or None unless every row has them.
    """

    ids: Tensor
    positions: Tensor
    spans: tuple[slice, ...]
    target_rows: Tensor
    targets: Tensor
    target_probs: Tensor
    target_weights: Tensor
    target_spans: tuple[slice, ...]
    objectives: tuple[Objective, ...]
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
    objectives: Sequence[Objective] | None = None,
) -> StepPlan:
    """Pack the rows that each job trains on in this step.

    Args:
        target_counts: number of targets that each job's loss is a mean over, where this pass is part of a larger step;
            by default the job's targets in this pass.
        objectives: each job's loss; by default all have the weighted likelihood.
    """
    ids: list[int] = []
    positions: list[int] = []
    spans: list[slice] = []
    target_rows: list[int] = []
    targets: list[SoftTarget] = []
    weights: list[float] = []
    target_spans: list[slice] = []
    attended: list[PackedRow] = []
    states: list[tuple[Tensor, ...] | None] = []
    for index, segments in enumerate(jobs):
        start, target_start = len(ids), len(targets)
        numbers: dict[int, int] = {}
        rows = packed_rows(segments)
        # at least 1 wherever a target is weighted
        mean_over = sum(len(row.predicted) for row in rows) if target_counts is None else target_counts[index]
        for row in rows:
            numbers[id(row)] = len(attended)
            before = 0 if row.prefix is None else len(row.prefix.ids)
            attended.append(PackedRow(len(row.ids), row.keys, None if row.prefix is None else numbers[id(row.prefix)]))
            target_rows.extend(len(ids) + position - 1 for position in row.predicted)
            targets.extend(row.targets)
            weights.extend(row.weight / mean_over for _ in row.predicted)
            ids.extend(row.ids)
            positions.extend(range(before, before + len(row.ids)))
            states.append(row.cached_hidden)
        spans.append(slice(start, len(ids)))
        target_spans.append(slice(target_start, len(targets)))

    labels, probs = columns(targets)
    shape = (len(labels), len(labels[0]) if labels else 1)
    wide = statistics_dtype(base.dtype)

    def tensor(values: Sequence[float] | Sequence[Sequence[float]], kind: torch.dtype) -> Tensor:
        return torch.tensor(values, dtype=kind).to(base.device, non_blocking=True)

    return StepPlan(
        ids=tensor(ids, torch.long),
        positions=tensor(positions, torch.long),
        spans=tuple(spans),
        target_rows=tensor(target_rows, torch.long),
        targets=tensor(labels, torch.long).view(shape),
        target_probs=tensor(probs, wide).view(shape),
        target_weights=tensor(weights, wide),
        target_spans=tuple(target_spans),
        objectives=tuple(objectives or [WeightedLikelihood()] * len(jobs)),
        attention=plan_attention(attended, heads=base.heads, kv_heads=base.kv_heads, device=base.device),
        cached_hidden=_joined(states),
    )


def _joined(states: Sequence[tuple[Tensor, ...] | None]) -> Tensor | None:
    known = [pieces for pieces in states if pieces is not None]
    return torch.cat([piece for pieces in known for piece in pieces]) if len(known) == len(states) else None
