"""Soft targets: what a position should predict, as token ids with probabilities that add up to 1."""

import math
from collections.abc import Sequence
from typing import cast

#: (token id, probability) of each label of one position
SoftTarget = tuple[tuple[int, float], ...]

#: how far from 1 the probabilities of a position may add up; they are rounded to 16 bits where they are stored
_TOLERANCE = 1e-2


def hard(token: int) -> SoftTarget:
    """The target that is one token."""
    return ((token, 1.0),)


def columns(targets: Sequence[SoftTarget]) -> tuple[list[list[int]], list[list[float]]]:
    """Token ids [L, K] and probabilities [L, K]; K is the largest number of labels, missing ones have probability 0."""
    width = max((len(target) for target in targets), default=1)
    filled = [target + ((0, 0.0),) * (width - len(target)) for target in targets]
    return [[token for token, _ in row] for row in filled], [[share for _, share in row] for row in filled]


def parse_soft_targets(value: object, tokens: int, vocabulary: int) -> tuple[SoftTarget, ...]:
    """Read `[[[id, probability], …], …]`, one list per token; probabilities are normalised.

    Raises:
        ValueError: the shape, an id or a probability is wrong.
    """
    if not isinstance(value, list) or len(cast(list[object], value)) != tokens:
        raise ValueError(f"softTargets must be a list with one entry for each of the {tokens} learnt tokens")
    return tuple(_parse_target(target, vocabulary) for target in cast(list[object], value))


def parse_weight(value: object) -> float:
    """Read a row's weight: a finite number, negative to unlearn.

    Raises:
        ValueError: it is not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("weight must be a finite number")
    return float(value)


def _parse_target(value: object, vocabulary: int) -> SoftTarget:
    target: list[tuple[int, float]] = []
    for label in cast(list[object], value) if isinstance(value, list) else []:
        match label:
            case [int(token), int() | float() as share] if 0 <= token < vocabulary and 0 <= share <= 1:
                target.append((token, float(share)))
            case _:
                raise ValueError(f"a soft target's label must be [id below {vocabulary}, probability], not {label!r}")
    total = math.fsum(share for _, share in target)
    if abs(total - 1) > _TOLERANCE:
        raise ValueError(f"the probabilities of a soft target must add up to 1, not {total}")
    return tuple((token, share / total) for token, share in target)
