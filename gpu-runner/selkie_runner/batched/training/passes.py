"""From the jobs of a step to packed passes, and back to each job's loss and gradient norm."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from ...errors import InvalidTraining
from ..base import FrozenBase
from ..kernels.parallel import side_by_side, streams_of
from ..lora.layout import AdapterView, LoraTerm
from .forward_backward import forward_backward
from .packing import Segment, StepPlan, packed_tokens, plan_step
from .slot import Slot


@dataclass(frozen=True)
class _Share:
    """A job's part of one pass. `targets` counts the targets of its whole step, which the loss is a mean over."""

    slot: Slot
    segments: Sequence[Segment]
    targets: int
    first: bool
    gradients: AdapterView

    @property
    def first_layer(self) -> int:
        """Where its pass begins; jobs that begin at different layers have different passes."""
        known = self.segments[0].cached_hidden is not None
        return self.gradients.layout.lowest_layer if known else 0


def compute(base: FrozenBase, slots: Sequence[Slot], *, pass_tokens: int, apart: bool) -> list[tuple[float, float]]:
    """Leave each slot's gradients in place.

    Args:
        pass_tokens: a job whose step is longer is computed in several passes, its losses and gradients added up.
        apart: give each job its own passes.

    Returns:
        (loss, gradient norm) of each slot's step, in the order of `slots`.

    Raises:
        InvalidTraining: a step with an objective that is not linear is longer than a pass.
    """
    for slot in slots:
        slot.training.refresh()
    split = [list(_shares(slot, pass_tokens)) for slot in slots]
    losses = {id(slot): torch.zeros((), device=base.device, dtype=torch.float64) for slot in slots}

    def run(passes: Sequence[list[_Share]]) -> None:
        for shares in passes:
            plan = plan_step(
                [share.segments for share in shares],
                base,
                target_counts=[share.targets for share in shares],
                objectives=[share.slot.training.objective for share in shares],
            )
            found = forward_backward(base, plan, _terms(plan, shares))
            for share, loss in zip(shares, found, strict=True):
                losses[id(share.slot)] += loss
                share.slot.training.collect(share.gradients, first=share.first)

    streams = 1 if apart else streams_of(base.device)
    side_by_side([partial(run, _passes(part, apart=apart)) for part in _divided(split, streams)])
    # one wait for the device, for all jobs
    measured = torch.stack([_pair(losses[id(slot)], slot.training.gradient_norm()) for slot in slots])
    return [(loss, norm) for loss, norm in measured.tolist()]


def _pair(loss: Tensor, norm: Tensor) -> Tensor:
    return torch.stack([loss, norm.to(loss.dtype)])


def _divided(jobs: Sequence[list[_Share]], streams: int) -> list[list[list[_Share]]]:
    """The jobs in at most `streams` parts of about equal tokens."""
    parts: list[list[list[_Share]]] = [[] for _ in range(streams)]
    tokens = [0] * streams
    for shares in sorted(jobs, key=_tokens, reverse=True):
        least = tokens.index(min(tokens))
        parts[least].append(shares)
        tokens[least] += _tokens(shares)
    return [part for part in parts if part]


def _tokens(shares: Sequence[_Share]) -> int:
    return sum(packed_tokens(share.segments) for share in shares)


def _passes(jobs: Sequence[list[_Share]], *, apart: bool) -> list[list[_Share]]:
    """What is computed together: jobs of one pass each, as far as their passes begin at one layer."""
    passes = [[share] for shares in jobs if len(shares) > 1 or apart for share in shares]
    together: dict[int, list[_Share]] = {}
    for shares in jobs:
        if len(shares) == 1 and not apart:
            together.setdefault(shares[0].first_layer, []).append(shares[0])
    return passes + [sorted(shares, key=_alike) for shares in together.values()]


def _shares(slot: Slot, pass_tokens: int) -> Iterator[_Share]:
    targets = sum(len(segment.predicted) for segment in slot.segments)
    training = slot.training
    parts = list(_parts(slot.segments, pass_tokens))
    whole = len(parts) == 1
    # only a linear objective of a whole step is the sum of its values on the parts
    if not whole and not training.objective.linear:
        raise InvalidTraining(
            f"a step of {packed_tokens(slot.segments)} tokens is longer than a pass of {pass_tokens}, and its objective"
            " is not linear, so the step cannot be split; lower the recipe's batchSize or maxLength"
        )
    # a pass overwrites its gradients, so a step of several passes needs a buffer besides the sum
    gradients = training.gradients if whole else training.gradients.layout.view(training.gradients.flat.clone())
    for index, part in enumerate(parts):
        yield _Share(slot, part, targets, index == 0, gradients)


def _parts(segments: Sequence[Segment], pass_tokens: int) -> Iterator[list[Segment]]:
    """The segments in parts of at most `pass_tokens` packed tokens, or of one segment; each part has its prefixes."""
    part: list[Segment] = []
    prefixes: set[int] = set()
    tokens = 0
    for segment in segments:
        added = _added_tokens(segment, prefixes)
        if part and tokens + added > pass_tokens:
            yield part
            part, prefixes, tokens = [], set(), 0
            added = _added_tokens(segment, prefixes)
        part.append(segment)
        prefixes.add(id(segment.prefix))
        tokens += added
    yield part


def _added_tokens(segment: Segment, prefixes: set[int]) -> int:
    """Packed tokens that a segment adds to a part which has `prefixes`, by id."""
    if segment.prefix is None or id(segment.prefix) in prefixes:
        return len(segment.ids)
    return len(segment.prefix.ids) + len(segment.ids)


def _alike(share: _Share) -> tuple[list[Path], int, str, float]:
    """Sort key that groups jobs by stack, so that one product serves it for all, then by shape."""
    recipe = share.slot.training.recipe
    return share.slot.handle.job.stack, recipe.rank, recipe.targets, recipe.frozen_below


def _terms(plan: StepPlan, shares: Sequence[_Share]) -> list[LoraTerm]:
    terms = [
        LoraTerm(span, share.slot.training.weights, share.slot.training.scale, share.gradients)
        for share, span in zip(shares, plan.spans, strict=True)
    ]
    placed = list(zip(shares, plan.spans, strict=True))
    for _, group in groupby(placed, key=lambda entry: entry[0].slot.handle.job.stack):
        members = list(group)
        rows = slice(members[0][1].start, members[-1][1].stop)
        terms += [LoraTerm(rows, layer.weights, layer.scale, None) for layer in members[0][0].slot.training.stack]
    return terms
