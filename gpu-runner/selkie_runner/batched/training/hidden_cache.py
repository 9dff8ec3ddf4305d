"""What enters a job's lowest trained layer: no step changes it, so it is computed once for each row and kept."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..base import FrozenBase
from ..lora.frozen import FrozenAdapter
from ..lora.layout import AdapterLayout, LoraTerm
from .forward_backward import states_below
from .memory import STATE_TOKENS
from .packing import Segment, packed_rows, packed_tokens, plan_step
from .shared_prefix import share_prefixes


def worth_keeping(layout: AdapterLayout, rows: Sequence[Segment], visits: int, pass_tokens: int) -> bool:
    """Whether a job reads its rows often enough, and their states are not too many.

    What runs beside the job does not decide this, since it decides the rounding of the job's result.

    Args:
        visits: how many rows all steps of the job take together.
        pass_tokens: what one pass of the reading is to hold.
    """
    if layout.lowest_layer == 0 or visits < 2 * len(rows):
        return False
    room = STATE_TOKENS
    while rows and room >= 0:
        taken = next_rows(rows, pass_tokens)
        room -= packed_tokens(share_prefixes(taken))
        rows = rows[len(taken) :]
    return room >= 0


@torch.no_grad()
def with_states(
    decoder: FrozenBase, rows: Sequence[Segment], stack: Sequence[FrozenAdapter], lowest_layer: int
) -> list[Segment]:
    """The same rows of a job, in one pass, with the states that enter its lowest trained layer."""
    shared = share_prefixes(rows)
    plan = plan_step([shared], decoder)
    terms = [LoraTerm(plan.spans[0], layer.weights, layer.scale, None) for layer in stack]
    packed = packed_rows(shared)
    pieces = states_below(decoder, plan, terms, lowest_layer).split([len(one.ids) for one in packed])
    states = {id(one): piece for one, piece in zip(packed, pieces, strict=True)}

    def whole(one: Segment) -> tuple[Tensor, ...]:
        return (states[id(one)],) if one.prefix is None else (states[id(one.prefix)], states[id(one)])

    return [replace(row, states=whole(one)) for row, one in zip(rows, shared, strict=True)]


def next_rows(rows: Sequence[Segment], pass_tokens: int) -> Sequence[Segment]:
    """The first rows, as many as a pass of so many tokens holds, and one at least."""
    count = 1
    while count < len(rows) and packed_tokens(share_prefixes(rows[: count + 1])) <= pass_tokens:
        count += 1
    return rows[:count]
