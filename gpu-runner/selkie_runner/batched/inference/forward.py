"""One forward pass over rows that go on from what they have read before: prompts and single tokens, many adapters.

Tokens whose states are known up to some layer join the pass there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import torch
from torch import Tensor

from ..base import DOWN, GATE_UP, OUT, QKV, FrozenBase
from ..kernels.attention import MAX_SCORES
from ..kernels.elementwise import rms_norm, rotate, statistics_dtype, swiglu
from ..lora.frozen import FrozenAdapter
from ..lora.grouped import lora_kernels
from ..lora.layout import LoraTerm
from ..lora.linear import LoraKernel, project
from .kv_cache import KVCache

#: a bf16 product on a CPU copies keys that do not fill their slots; where they fill more than this share, it is
#: faster to look at the whole slot
_COPIED_SHARE = 0.5


@dataclass(frozen=True)
class ForwardRow:
    """What one row reads in a pass.

    Attributes:
        tokens: read after what the row's slot holds already.
        past: positions that the slot holds.
        wanted: of `tokens`, those whose final state is asked for, from this one on.
        adapter: names the layers; rows of one adapter lie side by side in the pass.
        boundary: the states that enter this layer are told; 0 where nobody asks.
        known: [n, hidden] those of the first `tokens`, not of all, whose keys and values below the slot holds.
    """

    tokens: Sequence[int]
    past: int
    wanted: int
    adapter: str
    layers: tuple[FrozenAdapter, ...]
    boundary: int = 0
    known: Tensor | None = None

    @property
    def length(self) -> int:
        """Positions in the slot afterwards."""
        return self.past + len(self.tokens)

    def cost(self, layers: int) -> float:
        """What it reads, in tokens that are read in all `layers`."""
        return len(self.tokens) - (0 if self.known is None else self.known.shape[0] * self.boundary / layers)

    def at(self, layer: int) -> "ForwardRow":
        """What is left of it to read in a layer."""
        if self.known is None or layer >= self.boundary:
            return self
        count = self.known.shape[0]
        return replace(self, tokens=self.tokens[count:], past=self.past + count)


@dataclass(frozen=True)
class HiddenStates:
    """What a row's pass came to.

    Attributes:
        final: [wanted tokens, hidden] normalised states.
        below: [tokens, hidden] the states that entered the layer at the row's boundary, None where it has none.
    """

    final: Tensor
    below: Tensor | None


@dataclass(frozen=True)
class _Part:
    """Adjoining slots that are attended to together, their queries padded to one width.

    Attributes:
        start: first slot.
        rows, width, keys: how many slots, queries of each, keys that are looked at: those that the longest sees, or all
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


def read(decoder: FrozenBase, cache: KVCache, parts: Sequence[Sequence[ForwardRow]]) -> list[HiddenStates]:
    """Read every row's tokens; row i of all parts together has slot i of the cache, which has room for it.

    Args:
        parts: rows whose numbers of new tokens are alike go together: those that read one, those that read a prompt.

    Returns:
        What each row's pass came to, in the rows' order.
    """
    rows = [row for part in parts for row in part]
    below: list[Tensor | None] = [None] * len(rows)
    entries = sorted({0, *(row.boundary for row in rows)})
    plan, x = None, decoder.embedding[:0]
    for first, end in pairwise([*entries, len(decoder.layers)]):
        before, plan = plan, _Plan.of(decoder, [[row.at(first) for row in part] for part in parts], cache.kv.shape[4])
        x = decoder.embedding.index_select(0, plan.ids) if before is None else _join(x, before, rows, first)
        for slot, row in enumerate(rows):
            if first and row.boundary == first:
                below[slot] = x[plan.spans[slot]]
        x = _compute(decoder, cache, plan, x, range(first, end))
    assert plan is not None
    final, _ = rms_norm(x.index_select(0, plan.wanted), decoder.norm, decoder.eps)
    return [HiddenStates(*states) for states in zip(final.split(plan.wanted_counts), below, strict=True)]


def _join(x: Tensor, before: "_Plan", rows: Sequence[ForwardRow], layer: int) -> Tensor:
    """The states that enter a layer: those of the pass so far, and those that are known up to here."""
    joined: list[Tensor] = []
    for slot in before.order:
        row = rows[slot]
        if row.boundary == layer and row.known is not None:
            joined.append(row.known)
        joined.append(x[before.spans[slot]])
    return torch.cat(joined)


def _compute(decoder: FrozenBase, cache: KVCache, plan: "_Plan", x: Tensor, layers: range) -> Tensor:
    """The states [T, hidden] that leave the last of some layers, from those that enter the first."""
    cos, sin = decoder.rotation(plan.positions, statistics_dtype(decoder.dtype))
    tokens = x.shape[0]
    for index in layers:
        layer = decoder.layers[index]
        normed, _ = rms_norm(x, layer.input_norm, decoder.eps)
        (q, k, v), _ = project(normed, layer.groups[QKV], (index, QKV), plan.terms)
        q = rotate(q.view(tokens, decoder.heads, -1), cos, sin).to(x.dtype)
        k = rotate(k.view(tokens, decoder.kv_heads, -1), cos, sin).to(x.dtype)
        keys, values = cache.kv[0, index], cache.kv[1, index]
        keys[plan.slots, :, plan.positions] = k
        values[plan.slots, :, plan.positions] = v.view(tokens, decoder.kv_heads, -1)
        attended = torch.empty_like(q)
        for part in plan.parts:
            attended.index_copy_(0, part.tokens, _attend(q, keys, values, part))
        (mixed,), _ = project(attended.view(tokens, -1), layer.groups[OUT], (index, OUT), plan.terms)
        middle = mixed.add_(x)
        normed, _ = rms_norm(middle, layer.post_norm, decoder.eps)
        (gate, up), _ = project(normed, layer.groups[GATE_UP], (index, GATE_UP), plan.terms)
        (down,), _ = project(swiglu(gate, up), layer.groups[DOWN], (index, DOWN), plan.terms)
        x = down.add_(middle)
    return x


def _attend(q: Tensor, keys: Tensor, values: Tensor, part: _Part) -> Tensor:
    """Attention of a part's tokens, [t, heads, D], from all tokens' `q` [T, heads, D] and a layer's cache."""
    heads, head_dim = q.shape[1:]
    kv_heads, length = keys.shape[1], keys.shape[2]
    group = heads // kv_heads
    # [rows, width, kv heads, group, D] -> [rows * kv heads, group * width, D]
    padded = q.index_select(0, part.gather).view(part.rows, part.width, kv_heads, group, head_dim)
    padded = padded.permute(0, 2, 3, 1, 4).reshape(part.rows * kv_heads, group * part.width, head_dim)
    out = torch.empty_like(padded)
    at_once = max(1, MAX_SCORES // (heads * part.width * part.keys))
    for first in range(0, part.rows, at_once):
        rows = min(at_once, part.rows - first)
        slots = slice(part.start + first, part.start + first + rows)
        block = slice(first * kv_heads, (first + rows) * kv_heads)
        k = keys[slots].view(rows * kv_heads, length, head_dim)[:, : part.keys]
        v = values[slots].view(rows * kv_heads, length, head_dim)[:, : part.keys]
        scores = torch.bmm(padded[block], k.transpose(1, 2)).mul_(head_dim**-0.5)
        scores.view(rows, heads, part.width, part.keys).add_(part.mask[first : first + rows])
        probabilities = torch.softmax(scores, -1, dtype=statistics_dtype(q.dtype)).to(q.dtype)
        torch.bmm(probabilities, v, out=out[block])
    # and back to [rows * width, heads, D]
    out = out.view(part.rows, kv_heads, group, part.width, head_dim).permute(0, 3, 1, 2, 4)
    return out.reshape(-1, heads, head_dim).index_select(0, part.places)


@dataclass(frozen=True)
class _Plan:
    """The tokens of some layers of a pass, packed: rows of one adapter side by side.

    Attributes:
        order: the slots as they lie in the pack, and `spans` by slot where.
        ids, positions, slots: [T] token ids, their positions and slots.
        wanted: the packed tokens whose final states are asked for, row by row in the rows' own order.
        wanted_counts: how many of those each row has.
    """

    order: list[int]
    spans: list[slice]
    ids: Tensor
    positions: Tensor
    slots: Tensor
    parts: tuple[_Part, ...]
    terms: list[LoraKernel]
    wanted: Tensor
    wanted_counts: list[int]

    @classmethod
    def of(cls, decoder: FrozenBase, parts: Sequence[Sequence[ForwardRow]], room: int) -> "_Plan":
        """`room`: positions of a slot."""
        rows = [row for part in parts for row in part]
        spans = [slice(0)] * len(rows)
        order = sorted(range(len(rows)), key=lambda slot: rows[slot].adapter)
        total = 0
        for slot in order:
            spans[slot] = slice(total, total + len(rows[slot].tokens))
            total = spans[slot].stop

        def tensor(values: list[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.long).to(decoder.device, non_blocking=True)

        planned: list[_Part] = []
        first = 0
        for part in parts:
            if part:
                planned.append(_part(decoder, first, part, spans[first : first + len(part)], room))
                first += len(part)
        return cls(
            order=order,
            spans=spans,
            ids=tensor([token for slot in order for token in rows[slot].tokens]),
            positions=tensor([at for slot in order for at in range(rows[slot].past, rows[slot].length)]),
            slots=tensor([slot for slot in order for _ in rows[slot].tokens]),
            parts=tuple(planned),
            terms=lora_kernels(list(_terms(rows, order, spans)), decoder.dtype),
            wanted=tensor(
                [at for row, span in zip(rows, spans, strict=True) for at in range(span.start + row.wanted, span.stop)]
            ),
            wanted_counts=[len(row.tokens) - row.wanted for row in rows],
        )


def _part(decoder: FrozenBase, first: int, rows: Sequence[ForwardRow], spans: Sequence[slice], room: int) -> _Part:
    width = max(len(row.tokens) for row in rows)
    keys = max(row.length for row in rows)
    copies = decoder.device.type == "cpu" and decoder.dtype == torch.bfloat16
    if copies and width == 1 and keys > _COPIED_SHARE * room:
        keys = room
    counts = torch.tensor([len(row.tokens) for row in rows])
    past = torch.tensor([row.past for row in rows])
    offsets = torch.arange(width)
    packed = torch.tensor([span.start for span in spans])[:, None] + torch.minimum(offsets, counts[:, None] - 1)
    real = offsets < counts[:, None]
    seen = torch.arange(keys)[None, None, :] <= (past[:, None] + offsets)[:, :, None]
    mask = torch.zeros(seen.shape, dtype=decoder.dtype).masked_fill_(~seen, float("-inf"))
    return _Part(
        start=first,
        rows=len(rows),
        width=width,
        keys=keys,
        gather=packed.reshape(-1).to(decoder.device),
        tokens=packed[real].to(decoder.device),
        places=real.reshape(-1).nonzero().squeeze(1).to(decoder.device),
        mask=mask[:, None].to(decoder.device),
    )


def _terms(rows: Sequence[ForwardRow], order: Sequence[int], spans: Sequence[slice]) -> Iterator[LoraTerm]:
    """Each adapter's layers on the packed tokens of its rows."""
    for _, group in groupby(order, key=lambda slot: rows[slot].adapter):
        slots = list(group)
        span = slice(spans[slots[0]].start, spans[slots[-1]].stop)
        for layer in rows[slots[0]].layers:
            yield LoraTerm(span, layer.weights, layer.scale, None)
