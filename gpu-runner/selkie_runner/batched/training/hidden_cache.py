"""Cache of the hidden states that enter a job's lowest trained layer: no step changes them."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..base import FrozenBase
from ..lora.frozen import FrozenAdapter
from ..lora.layout import AdapterLayout, LoraTerm
from .forward_backward import states_below
from .memory import MAX_CACHED_TOKENS
from .packing import Segment, packed_rows, packed_tokens, plan_step
from .shared_prefix import share_prefixes


def worth_caching(layout: AdapterLayout, rows: Sequence[Segment], visits: int, pass_tokens: int) -> bool:
    """Whether a job's rows repeat often enough, and their hidden states fit.

    Must not depend on neighbours: it changes rounding.

    Args:
        visits: rows of all steps of the job, repeats counted.
        pass_tokens: tokens of one pass that fills the cache.
    """
    if layout.lowest_layer == 0 or visits < 2 * len(rows):
        return False
    remaining = MAX_CACHED_TOKENS
    first = 0
    while first < len(rows) and remaining >= 0:
        taken = next_rows(rows, pass_tokens, first=first)
        remaining -= packed_tokens(share_prefixes(taken))
        first += len(taken)
    return remaining >= 0


@torch.no_grad()
def with_cached_hidden(
    base: FrozenBase, rows: Sequence[Segment], stack: Sequence[FrozenAdapter], lowest_layer: int
) -> list[Segment]:
    """Compute, in one pass, the hidden states that enter a job's lowest trained layer.

    Returns:
        The same rows, each with `cached_hidden` [len(ids), hidden] in pieces.
    """
    shared = share_prefixes(rows)
    plan = plan_step([shared], base)
    terms = [LoraTerm(plan.spans[0], layer.weights, layer.scale, None) for layer in stack]
    packed = packed_rows(shared)
    pieces = states_below(base, plan, terms, lowest_layer).split([len(one.ids) for one in packed])
    states = {id(one): piece for one, piece in zip(packed, pieces, strict=True)}

    def whole(one: Segment) -> tuple[Tensor, ...]:
        return (states[id(one)],) if one.prefix is None else (states[id(one.prefix)], states[id(one)])

    return [replace(row, cached_hidden=whole(one)) for row, one in zip(rows, shared, strict=True)]


def next_rows(rows: Sequence[Segment], pass_tokens: int, *, first: int = 0) -> Sequence[Segment]:
    """As many rows from `first` on as fit in `pass_tokens`; at least one."""
    # every row adds a token, also one that shares all but its last with others
    most = min(len(rows) - first, pass_tokens)
    count = bisect_right(
        range(1, most + 1), pass_tokens, key=lambda count: packed_tokens(share_prefixes(rows[first : first + count]))
    )
    return rows[first : first + max(1, count)]
