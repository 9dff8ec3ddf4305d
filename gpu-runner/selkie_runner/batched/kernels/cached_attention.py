"""Causal attention of the next tokens of rows over a key-value cache, one slot per row, read in place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
        slot: the row's, in its bucket.
        start: the first token's place in the packed layout.
        length: how many tokens.
        past: positions that the row's slot holds before the pass.
    """

    slot: int
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
class BucketPlan:
    """What the tokens in slots of one length write there and attend to.

    Attributes:
        kv: per layer [2, slots, kv heads, length, D], keys then values.
        tokens: [t] the packed tokens, or all.
        slots, positions: [t] where their keys and values go.
    """

    kv: Sequence[Tensor]
    tokens: Tensor | slice
    slots: Tensor
    positions: Tensor
    chunks: tuple[Chunk, ...]

    @classmethod
    def of(cls, rows: Sequence[CachedRow], kv: Sequence[Tensor], *, heads: int, total: int) -> "BucketPlan":
        """The plan of a bucket's rows, in the order of their slots.

        Args:
            heads: of the queries.
            total: tokens of the pass.
        """
        device, dtype, length = kv[0].device, kv[0].dtype, kv[0].shape[3]

        def tensor(values: list[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.long).to(device, non_blocking=True)

        tokens = [row.start + at for row in rows for at in range(row.length)]
        return cls(
            kv=kv,
            tokens=slice(None) if tokens == list(range(total)) else tensor(tokens),
            slots=tensor([row.slot for row in rows for _ in range(row.length)]),
            positions=tensor([row.past + at for row in rows for at in range(row.length)]),
            chunks=tuple(
                _plan_chunk(part, slot_length=length, dtype=dtype, device=device) for part in _parts(rows, heads)
            ),
        )


def write_cached(keys: Tensor, values: Tensor, layer: int, plan: Sequence[BucketPlan]) -> None:
    """Write the tokens' keys and values [T, kv heads, D] into the cache of one layer."""
    for bucket in plan:
        for new, cached in zip((keys, values), bucket.kv[layer], strict=True):
            cached[bucket.slots, :, bucket.positions] = new[bucket.tokens]


def attend_cached(q: Tensor, layer: int, plan: Sequence[BucketPlan]) -> Tensor:
    """Attention outputs of the tokens' `q`, both [T, heads, D] in the pass's dtype.

    The cache of the layer has the tokens' own keys and values.
    """
    attended = torch.empty_like(q)
    for bucket in plan:
        keys, values = bucket.kv[layer]
        for chunk in bucket.chunks:
            attended.index_copy_(0, chunk.tokens, _attend_chunk(q, keys, values, chunk))
    return attended


def _parts(rows: Sequence[CachedRow], heads: int) -> Iterator[list[CachedRow]]:
    """Rows that share a chunk: their slots adjoin, and at most half of the padded queries are padding."""
    part: list[CachedRow] = []
    for piece in (piece for row in rows for piece in _pieces(row, heads)):
        if part and not _go_together(part, piece):
            yield part
            part = []
        part.append(piece)
    if part:
        yield part


def _go_together(part: Sequence[CachedRow], row: CachedRow) -> bool:
    widest = max(row.length, *(one.length for one in part))
    tokens = row.length + sum(one.length for one in part)
    adjoins = row.slot == part[-1].slot + 1 and (row.length == 1) == (part[-1].length == 1)
    return adjoins and widest * (len(part) + 1) <= 2 * tokens


def _pieces(row: CachedRow, heads: int) -> Iterator[CachedRow]:
    """The row in pieces whose scores are at most `MAX_SCORES`."""
    width = max(1, MAX_SCORES // (heads * (row.past + row.length)))
    for first in range(0, row.length, width):
        length = min(width, row.length - first)
        yield replace(row, start=row.start + first, past=row.past + first, length=length)


def _plan_chunk(rows: Sequence[CachedRow], *, slot_length: int, dtype: torch.dtype, device: torch.device) -> Chunk:
    """The chunk of rows in adjoining slots, each with room for `slot_length` positions."""
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
        start=rows[0].slot,
        rows=len(rows),
        width=width,
        keys=keys,
        gather=packed.reshape(-1).to(device),
        tokens=packed[real].to(device),
        places=real.reshape(-1).nonzero().squeeze(1).to(device),
        mask=mask[:, None].to(device),
    )


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
