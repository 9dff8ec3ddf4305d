"""One forward pass over rows of many adapters, each after what its slot of the key-value cache holds.

Prefill and decode share the pass: a row's tokens are its prompt or the last token of its answer. Tokens whose hidden
states are cached up to some layer join the pass there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import torch
from torch import Tensor

from ..base import FrozenBase
from ..kernels.cached_attention import CachedAttentionPlan, CachedRow, Chunk, plan_chunk
from ..kernels.elementwise import rms_norm
from ..layers.passes import InferencePass
from ..lora.frozen import FrozenAdapter
from ..lora.grouped import lora_kernels
from ..lora.layout import LoraTerm
from .kv_cache import KVCache


@dataclass(frozen=True)
class ForwardRow:
    """What one row computes in a pass.

    Attributes:
        tokens: follow what the row's slot holds.
        past: positions that the slot holds.
        first_output: index in `tokens` from which on final hidden states are returned.
        adapter: key of the adapter; rows of one adapter are packed together.
        layers: the adapter's LoRA layers, lowest first.
        boundary: the layer whose inputs are returned; 0 for none.
        cached_hidden: [n, hidden] inputs of the layer at `boundary` for the first n of `tokens`, fewer than all. The
            slot holds the keys and values of these below that layer.
    """

    tokens: Sequence[int]
    past: int
    first_output: int
    adapter: str
    layers: tuple[FrozenAdapter, ...]
    boundary: int = 0
    cached_hidden: Tensor | None = None

    @property
    def length(self) -> int:
        """Positions in the slot after the pass."""
        return self.past + len(self.tokens)

    def cost(self, layers: int) -> float:
        """Its work, in tokens that pass all `layers`."""
        cached = 0 if self.cached_hidden is None else self.cached_hidden.shape[0]
        return len(self.tokens) - cached * self.boundary / layers

    def at(self, layer: int) -> "ForwardRow":
        """The part of the row that passes a layer."""
        if self.cached_hidden is None or layer >= self.boundary:
            return self
        count = self.cached_hidden.shape[0]
        return replace(self, tokens=self.tokens[count:], past=self.past + count)


@dataclass(frozen=True)
class HiddenStates:
    """The hidden states that a pass returns for a row.

    Attributes:
        final: [outputs, hidden] after the last norm.
        at_boundary: [tokens, hidden] the inputs of the layer at the row's boundary; None if it has none.
    """

    final: Tensor
    at_boundary: Tensor | None


def forward(base: FrozenBase, cache: KVCache, parts: Sequence[Sequence[ForwardRow]]) -> list[HiddenStates]:
    """Compute every row. Row i of all parts together has slot i of the cache, which has room for it.

    Args:
        parts: rows with about as many new tokens share a part: those that decode one, those that read a prompt.

    Returns:
        What each row asked for, in the rows' order.
    """
    rows = [row for part in parts for row in part]
    at_boundary: list[Tensor | None] = [None] * len(rows)
    entries = sorted({0, *(row.boundary for row in rows)})
    plan, x = None, base.embedding[:0]
    for first, end in pairwise([*entries, len(base.layers)]):
        before, plan = plan, _Plan.of(base, [[row.at(first) for row in part] for part in parts], cache.kv.shape[4])
        x = base.embed(plan.ids) if before is None else _join(x, before, rows, first)
        for slot, row in enumerate(rows):
            if first and row.boundary == first:
                at_boundary[slot] = x[plan.spans[slot]]
        step = plan.inference_pass(base, cache)
        for layer in base.layers[first:end]:
            x = layer.infer(x, step)
    assert plan is not None
    final, _ = rms_norm(x.index_select(0, plan.outputs), base.norm.weight, base.norm.eps)
    return [HiddenStates(*states) for states in zip(final.split(plan.output_counts), at_boundary, strict=True)]


def _join(x: Tensor, before: "_Plan", rows: Sequence[ForwardRow], layer: int) -> Tensor:
    """The inputs of a layer: the hidden states of the pass so far, and those that are cached up to here."""
    joined: list[Tensor] = []
    for slot in before.order:
        row = rows[slot]
        if row.boundary == layer and row.cached_hidden is not None:
            joined.append(row.cached_hidden)
        joined.append(x[before.spans[slot]])
    return torch.cat(joined)


@dataclass(frozen=True)
class _Plan:
    """The packed tokens of a range of layers; rows of one adapter adjoin.

    Attributes:
        order: slots in packed order.
        spans: packed tokens per slot.
        ids: [T] token ids.
        adapters: on their packed tokens.
        outputs: packed tokens whose final hidden states are returned, in the rows' order.
        output_counts: their number per row.
    """

    order: list[int]
    spans: list[slice]
    ids: Tensor
    attention: CachedAttentionPlan
    adapters: list[LoraTerm]
    outputs: Tensor
    output_counts: list[int]

    @classmethod
    def of(cls, base: FrozenBase, parts: Sequence[Sequence[ForwardRow]], slot_length: int) -> "_Plan":
        rows = [row for part in parts for row in part]
        spans = [slice(0)] * len(rows)
        order = sorted(range(len(rows)), key=lambda slot: rows[slot].adapter)
        total = 0
        for slot in order:
            spans[slot] = slice(total, total + len(rows[slot].tokens))
            total = spans[slot].stop

        def tensor(values: list[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.long).to(base.device, non_blocking=True)

        return cls(
            order=order,
            spans=spans,
            ids=tensor([token for slot in order for token in rows[slot].tokens]),
            attention=CachedAttentionPlan(
                slots=tensor([slot for slot in order for _ in rows[slot].tokens]),
                positions=tensor([at for slot in order for at in range(rows[slot].past, rows[slot].length)]),
                chunks=tuple(_chunks(base, parts, spans, slot_length)),
            ),
            adapters=list(_lora_terms(rows, order, spans)),
            outputs=tensor(
                [
                    at
                    for row, span in zip(rows, spans, strict=True)
                    for at in range(span.start + row.first_output, span.stop)
                ]
            ),
            output_counts=[len(row.tokens) - row.first_output for row in rows],
        )

    def inference_pass(self, base: FrozenBase, cache: KVCache) -> InferencePass:
        cos, sin = base.rotation(self.attention.positions)
        return InferencePass(lora_kernels(self.adapters, base.dtype), cos, sin, self.attention, cache.kv)


def _chunks(
    base: FrozenBase, parts: Sequence[Sequence[ForwardRow]], spans: Sequence[slice], slot_length: int
) -> Iterator[Chunk]:
    first = 0
    for part in parts:
        if part:
            rows = [CachedRow(spans[slot].start, len(row.tokens), row.past) for slot, row in enumerate(part, first)]
            yield plan_chunk(rows, first_slot=first, slot_length=slot_length, dtype=base.dtype, device=base.device)
            first += len(part)


def _lora_terms(rows: Sequence[ForwardRow], order: Sequence[int], spans: Sequence[slice]) -> Iterator[LoraTerm]:
    """Each adapter's layers on the packed tokens of its rows."""
    for _, group in groupby(order, key=lambda slot: rows[slot].adapter):
        slots = list(group)
        span = slice(spans[slots[0]].start, spans[slots[-1]].stop)
        for layer in rows[slots[0]].layers:
            yield LoraTerm(span, layer.weights, layer.scale, None)
