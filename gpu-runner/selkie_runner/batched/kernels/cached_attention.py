"""Causal attention of the next tokens of rows over a key-value cache, one slot per row, read in place."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .attention import MAX_SCORES
from .elementwise import statistics_dtype

#: On a CPU a bf16 product copies keys that do not fill their slots. Where the keys fill more than this share of a slot,
#: reading the whole slot is faster.
_COPIED_SHARE = 0.5


@dataclass(frozen=True)
class CachedRow:
    """New tokens of one row.

    Attributes:
        start: the first one's place in the packed layout.
        length: how many.
        past: positions that the row's slot holds before the pass.
    """

    start: int
    length: int
    past: int


@dataclass(frozen=True)
class Chunk:
    """Adjoining slots whose attention is computed together, their queries padded to one width.

    Attributes:
        start: first slot.
        rows, width, keys: slots, queries per slot, keys per slot that are read: those that the longest row sees, or all
            that a slot has room for.
        gather: [rows * width] the packed token at each padded place.
        tokens: [t] the packed tokens of these slots, and `places` [t] their padded places.
        mask: [rows, 1, width, keys] 0 where a query sees a key, else -inf.
    """

    start: int
    rows: int
    width: int
    keys: int
    gather: Tensor
    tokens: Tensor
    places: Tensor
    mask: Tensor


@dataclass(frozen=True)
class CachedAttentionPlan:
    """Where T packed tokens go in the cache, and what they attend to there.

    Attributes:
        slots, positions: [T].
    """

    slots: Tensor
    positions: Tensor
    chunks: tuple[Chunk, ...]


def plan_chunk(
    rows: Sequence[CachedRow], *, first_slot: int, slot_length: int, dtype: torch.dtype, device: torch.device
) -> Chunk:
    """The chunk of rows that have the slots from `first_slot` on, each with room for `slot_length` positions."""
    width = max(row.length for row in rows)
    keys = max(row.past + row.length for row in rows)
    copies = device.type == "cpu" and dtype == torch.bfloat16
    if copies and width == 1 and keys > _COPIED_SHARE * slot_length:
        keys = slot_length
    counts = torch.tensor([row.length for row in rows])
    past = torch.tensor([row.past for row in rows])
    offsets = torch.arange(width)
    packed = torch.tensor([row.start for row in rows])[:, None] + torch.minimum(offsets, counts[:, None] - 1)
    real = offsets < counts[:, None]
    seen = torch.arange(keys)[None, None, :] <= (past[:, None] + offsets)[:, :, None]
    mask = torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, float("-inf"))
    return Chunk(
        start=first_slot,
        rows=len(rows),
        width=width,
        keys=keys,
        gather=packed.reshape(-1).to(device),
        tokens=packed[real].to(device),
        places=real.reshape(-1).nonzero().squeeze(1).to(device),
        mask=mask[:, None].to(device),
    )


def write_cached(new: Tensor, cached: Tensor, plan: CachedAttentionPlan) -> None:
    """Write the tokens' keys or values [T, kv heads, D] into those of one layer, [slots, kv heads, length, D]."""
    cached[plan.slots, :, plan.positions] = new


def attend_cached(q: Tensor, keys: Tensor, values: Tensor, plan: CachedAttentionPlan) -> Tensor:
    """Attention outputs of the tokens' `q`, both [T, heads, D] in the pass's dtype.

    Args:
        keys, values: [slots, kv heads, length, D] of one layer, the tokens' own included.
    """
    attended = torch.empty_like(q)
    for chunk in plan.chunks:
        attended.index_copy_(0, chunk.tokens, _attend_chunk(q, keys, values, chunk))
    return attended


def _attend_chunk(q: Tensor, keys: Tensor, values: Tensor, chunk: Chunk) -> Tensor:
    """Attention outputs of a chunk's tokens, [t, heads, D]."""
    heads, head_dim = q.shape[1:]
    kv_heads, length = keys.shape[1], keys.shape[2]
    group = heads // kv_heads
    # [rows, width, kv heads, group, D] -> [rows * kv heads, group * width, D]
    padded = q.index_select(0, chunk.gather).view(chunk.rows, chunk.width, kv_heads, group, head_dim)
    padded = padded.permute(0, 2, 3, 1, 4).reshape(chunk.rows * kv_heads, group * chunk.width, head_dim)
    out = torch.empty_like(padded)
    rows_at_once = max(1, MAX_SCORES // (heads * chunk.width * chunk.keys))
    for first in range(0, chunk.rows, rows_at_once):
        rows = min(rows_at_once, chunk.rows - first)
        slots = slice(chunk.start + first, chunk.start + first + rows)
        batch = slice(first * kv_heads, (first + rows) * kv_heads)
        k = keys[slots].view(rows * kv_heads, length, head_dim)[:, : chunk.keys]
        v = values[slots].view(rows * kv_heads, length, head_dim)[:, : chunk.keys]
        scores = torch.bmm(padded[batch], k.transpose(1, 2)).mul_(head_dim**-0.5)
        scores.view(rows, heads, chunk.width, chunk.keys).add_(chunk.mask[first : first + rows])
        probabilities = torch.softmax(scores, -1, dtype=statistics_dtype(q.dtype)).to(q.dtype)
        torch.bmm(probabilities, v, out=out[batch])
    # and back to [rows * width, heads, D]
    out = out.view(chunk.rows, kv_heads, group, chunk.width, head_dim).permute(0, 3, 1, 2, 4)
    return out.reshape(-1, heads, head_dim).index_select(0, chunk.places)
