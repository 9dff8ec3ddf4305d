"""Rows of one step that begin alike have their beginning computed once.

A policy learns to continue prompts that show the same examples, several hundred tokens before a few dozen of its own.
The gradient is the same sum: nothing in a shared beginning is predicted, and keys and values there collect what every
row that reads them gives.
"""

from collections.abc import Sequence
from itertools import accumulate, takewhile

from torch import Tensor

from .packing import Segment

#: a shorter beginning is not worth a product of its own
SHORTEST = 32


def share_prefixes(segments: Sequence[Segment]) -> list[Segment]:
    """The same rows in the same order, those that begin alike as what follows their longest common beginning."""
    alike: dict[tuple[int, ...], list[Segment]] = {}
    for segment in segments:
        alike.setdefault(tuple(segment.ids[:SHORTEST]), []).append(segment)
    prefixes = {beginning: _prefix(members) for beginning, members in alike.items()}
    return [_after(prefixes[tuple(segment.ids[:SHORTEST])], segment) for segment in segments]


def _prefix(segments: Sequence[Segment]) -> Segment | None:
    # the token that predicts a row's first target stays its own, and so does one token at least
    longest = min(min(segment.predicted.start, len(segment.ids)) - 1 for segment in segments)
    columns = zip(*(segment.ids[:longest] for segment in segments), strict=True)
    ids = [column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns)]
    padded = any(segment.keys < len(segment.ids) for segment in segments)
    if len(segments) < 2 or len(ids) < SHORTEST or padded:
        return None
    return Segment(ids, first_target=len(ids), keys=len(ids), states=cut(segments[0].states, 0, len(ids)))


def _after(prefix: Segment | None, segment: Segment) -> Segment:
    if prefix is None:
        return segment
    read = len(prefix.ids)
    return Segment(
        segment.ids[read:],
        segment.first_target - read,
        segment.keys - read,
        prefix,
        cut(segment.states, read, len(segment.ids)),
    )


def cut(states: tuple[Tensor, ...] | None, start: int, stop: int) -> tuple[Tensor, ...] | None:
    """The pieces between two positions."""
    if states is None:
        return None
    ends = accumulate(piece.shape[0] for piece in states)
    placed = [(piece, end - piece.shape[0], end) for piece, end in zip(states, ends, strict=True)]
    within = [(piece, first) for piece, first, end in placed if start < end and first < stop]
    return tuple(piece[max(start - first, 0) : stop - first] for piece, first in within)
