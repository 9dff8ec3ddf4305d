"""Rows of one step that share a prefix have it computed once.

A policy learns to continue prompts that show the same examples: several hundred shared tokens, a few dozen others. The
gradient is the same sum: no token of a shared prefix is predicted, and its keys and values sum the gradients of every
row that attends to them.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, takewhile

from torch import Tensor

from .packing import Segment

#: a shorter prefix is not worth its own products
MIN_PREFIX_TOKENS = 32


def share_prefixes(segments: Sequence[Segment]) -> list[Segment]:
    """The same rows in the same order; rows with a common prefix hold only what follows the longest one."""
    alike: dict[tuple[int, ...], list[Segment]] = {}
    for segment in segments:
        alike.setdefault(tuple(segment.ids[:MIN_PREFIX_TOKENS]), []).append(segment)
    prefixes = {beginning: _prefix(members) for beginning, members in alike.items()}
    return [_after(prefixes[tuple(segment.ids[:MIN_PREFIX_TOKENS])], segment) for segment in segments]


def _prefix(segments: Sequence[Segment]) -> Segment | None:
    # the token that predicts a row's first target stays in the row, and at least one token does
    longest = min(min(segment.predicted.start, len(segment.ids)) - 1 for segment in segments)
    columns = zip(*(segment.ids[:longest] for segment in segments), strict=True)
    ids = [column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns)]
    padded = any(segment.keys < len(segment.ids) for segment in segments)
    if len(segments) < 2 or len(ids) < MIN_PREFIX_TOKENS or padded:
        return None
    states = slice_pieces(segments[0].cached_hidden, 0, len(ids))
    return Segment(ids, first_target=len(ids), keys=len(ids), cached_hidden=states)


def _after(prefix: Segment | None, segment: Segment) -> Segment:
    if prefix is None:
        return segment
    read = len(prefix.ids)
    return replace(
        segment,
        ids=segment.ids[read:],
        first_target=segment.first_target - read,
        keys=segment.keys - read,
        prefix=prefix,
        cached_hidden=slice_pieces(segment.cached_hidden, read, len(segment.ids)),
    )


def slice_pieces(states: tuple[Tensor, ...] | None, start: int, stop: int) -> tuple[Tensor, ...] | None:
    """The rows [start, stop) of hidden states [N, hidden] that lie in pieces."""
    if states is None:
        return None
    ends = accumulate(piece.shape[0] for piece in states)
    placed = [(piece, end - piece.shape[0], end) for piece, end in zip(states, ends, strict=True)]
    within = [(piece, first) for piece, first, end in placed if start < end and first < stop]
    return tuple(piece[max(start - first, 0) : stop - first] for piece, first in within)
