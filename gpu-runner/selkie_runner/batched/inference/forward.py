"""One forward pass over rows of many adapters, each after what its slot of the key-value cache holds.

Prefill and decode share the pass: a row's tokens are a part of its prompt or the last token of its answer. Tokens whose
hidden states are cached up to some layer join the pass there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import torch
from torch import Tensor

from ..base import FrozenBase
from ..kernels.cached_attention import BucketPlan, CachedRow
from ..kernels.elementwise import rms_norm
from ..layers.passes import InferencePass
from ..lora.frozen import FrozenAdapter
from ..lora.grouped import lora_kernels
from ..lora.layout import LoraTerm
from .kv_cache import Bucket, Slot


@dataclass(frozen=True)
class ForwardRow:
    """What one row computes in a pass.

    Attributes:
        tokens: follow the first `past` positions of the row's slot, which has room for them.
        first_output: index in `tokens` from which on final hidden states are returned.
        adapter: key of the adapter; rows of one adapter are packed together.
        layers: the adapter's LoRA layers, lowest first.
        boundary: the layer whose inputs are returned; 0 for none.
        cached_hidden: [n, hidden] inputs of the layer at `boundary` for the first n of `tokens`. The slot holds the
            keys and values of these below that layer.
        padding: of `tokens`, those at the end that fill the pass up to a fixed size; nothing of them is returned.
    """

    tokens: Sequence[int]
    slot: Slot
    past: int
    first_output: int
    adapter: str
    layers: tuple[FrozenAdapter, ...]
    boundary: int = 0
    cached_hidden: Tensor | None = None
    padding: int = 0

    @property
    def length(self) -> int:
        """Positions of the row after the pass."""
        return self.past + len(self.tokens) - self.padding

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


def forward(base: FrozenBase, rows: Sequence[ForwardRow]) -> list[HiddenStates]:
    """Compute every row, and write its keys and values into its slot. Returns what each row asked for."""
    at_boundary: list[Tensor | None] = [None] * len(rows)
    entries = sorted({0, *(row.boundary for row in rows)})
    plan, x = None, base.embedding[:0]
    for first, end in pairwise([*entries, len(base.layers)]):
        before, plan = plan, _Plan.of(base, [row.at(first) for row in rows])
        x = base.embed(plan.ids) if before is None else _join(x, before, rows, first)
        for index, row in enumerate(rows):
            if first and row.boundary == first:
                at_boundary[index] = x[plan.spans[index]]
        if x.shape[0]:
            step = plan.inference_pass(base)
            for layer in base.layers[first:end]:
                x = layer.infer(x, step)
    assert plan is not None
    final, _ = rms_norm(x.index_select(0, plan.outputs), base.norm.weight, base.norm.eps)
    return [HiddenStates(*states) for states in zip(final.split(plan.output_counts), at_boundary, strict=True)]


def _join(x: Tensor, before: "_Plan", rows: Sequence[ForwardRow], layer: int) -> Tensor:
    """The inputs of a layer: the hidden states of the pass so far, and those that are cached up to here."""
    joined: list[Tensor] = []
    for index in before.order:
        row = rows[index]
        if row.boundary == layer and row.cached_hidden is not None:
            joined.append(row.cached_hidden)
        joined.append(x[before.spans[index]])
    return torch.cat(joined)


@dataclass(frozen=True)
class _Plan:
    """The packed tokens of a range of layers; rows of one adapter adjoin.

    Attributes:
        order: the rows' indices in packed order.
        spans: packed tokens per row.
        ids, positions: [T] token ids, and positions in their rows.
        adapters: on their packed tokens.
        outputs: packed tokens whose final hidden states are returned, in the rows' order.
        output_counts: their number per row.
    """

    order: list[int]
    spans: list[slice]
    ids: Tensor
    positions: Tensor
    attention: tuple[BucketPlan, ...]
    adapters: list[LoraTerm]
    outputs: Tensor
    output_counts: list[int]

    @classmethod
    def of(cls, base: FrozenBase, rows: Sequence[ForwardRow]) -> "_Plan":
        spans = [slice(0)] * len(rows)
        order = sorted(range(len(rows)), key=lambda index: rows[index].adapter)
        total = 0
        for index in order:
            spans[index] = slice(total, total + len(rows[index].tokens))
            total = spans[index].stop

        def tensor(values: list[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.long).to(base.device, non_blocking=True)

        outputs = [
            range(span.start + row.first_output, span.stop - row.padding) for row, span in zip(rows, spans, strict=True)
        ]
        return cls(
            order=order,
            spans=spans,
            ids=tensor([token for index in order for token in rows[index].tokens]),
            positions=tensor([rows[index].past + at for index in order for at in range(len(rows[index].tokens))]),
            attention=tuple(_bucket_plans(rows, spans, base.heads, total)),
            adapters=list(_lora_terms(rows, order, spans)),
            outputs=tensor([at for span in outputs for at in span]),
            output_counts=[len(span) for span in outputs],
        )

    def inference_pass(self, base: FrozenBase) -> InferencePass:
        cos, sin = base.rotation(self.positions)
        return InferencePass(lora_kernels(self.adapters, base.dtype), cos, sin, self.attention)


def _bucket_plans(rows: Sequence[ForwardRow], spans: Sequence[slice], heads: int, total: int) -> Iterator[BucketPlan]:
    buckets: dict[Bucket, list[CachedRow]] = {}
    for row, span in sorted(zip(rows, spans, strict=True), key=lambda pair: pair[0].slot.index):
        if row.tokens:
            cached = CachedRow(row.slot.index, span.start, len(row.tokens), row.past)
            buckets.setdefault(row.slot.bucket, []).append(cached)
    for bucket, cached_rows in buckets.items():
        yield BucketPlan.of(cached_rows, bucket.kv, heads=heads, total=total)


def _lora_terms(rows: Sequence[ForwardRow], order: Sequence[int], spans: Sequence[slice]) -> Iterator[LoraTerm]:
    """Each adapter's layers on the packed tokens of its rows."""
    for _, group in groupby(order, key=lambda index: rows[index].adapter):
        indices = list(group)
        span = slice(spans[indices[0]].start, spans[indices[-1]].stop)
        if span.start < span.stop:
            for layer in rows[indices[0]].layers:
                yield LoraTerm(span, layer.weights, layer.scale, None)
