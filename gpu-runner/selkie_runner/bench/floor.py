"""The floor of a step: its matrix products alone, adapters' included, timed bare on the same sizes and weights.

No normalisation, attention, loss or optimizer, and outputs go into memory that is there already where the product
allows. A step cannot be faster than this with the products that its device's library has.
"""

import time
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from ..batched.base import FrozenBase
from ..batched.kernels.products import Projection, times_transposed
from ..batched.lora.layout import TARGETS, AdapterLayout, AdapterView
from ..jobs.job import Targets
from .hf_trainer import Timed
from .result import finish


class Floor:
    """The products of a step in which job i has `lengths[i]` tokens and one target fewer."""

    def __init__(self, decoder: FrozenBase, lengths: Sequence[int], rank: int, targets: Targets) -> None:
        self._base = decoder
        self._tokens = sum(lengths)
        self._targets = self._tokens - len(lengths)
        self._spans = [slice(start, end) for start, end in pairwise(accumulate(lengths, initial=0))]
        layout = AdapterLayout(decoder, rank, TARGETS[targets])
        self._adapters = [self._random_view(layout) for _ in lengths]
        self._gradients = [self._random_view(layout) for _ in lengths]
        self._rank = rank
        #: one activation of each width, read and written by all layers in turn
        self._buffers: dict[tuple[int, str], Tensor] = {}

    @torch.no_grad()
    def measure(self, *, warm_up: int, steps: int) -> Timed:
        """Time the products of `steps` steps, after `warm_up` untimed ones."""
        for _ in range(warm_up):
            self._products()
        finish(self._base.device)
        began = time.perf_counter()
        for _ in range(steps):
            self._products()
        finish(self._base.device)
        return Timed(steps, time.perf_counter() - began, steps * self._tokens)

    def _products(self) -> None:
        decoder = self._base
        groups = [
            (index, group) for index in range(len(decoder.layers)) for group in range(len(decoder.layers[0].groups))
        ]
        for key in groups:
            self._forward(*key)
        self._head()
        for key in reversed(groups):
            # nothing is trained below the lowest layer
            self._backward(*key, need_dx=key != groups[0])

    def _forward(self, layer: int, group: int) -> None:
        projections = self._base.layers[layer].groups[group]
        x, outputs = self._in_and_out(projections)
        for one, output in zip(projections, outputs, strict=True):
            if one.packed is None:
                torch.mm(x, one.weight.T, out=output)
            else:
                times_transposed(x, one.weight, one.packed)
        for span, view in zip(self._spans, self._adapters, strict=True):
            factors = view.factors.get((layer, group))
            if factors is not None:
                inner = torch.mm(x[span], factors.a.T)
                for i, position in enumerate(factors.positions):
                    outputs[position][span].addmm_(self._of(inner, i), factors.b[i].T)

    def _backward(self, layer: int, group: int, *, need_dx: bool) -> None:
        projections = self._base.layers[layer].groups[group]
        x, outputs = self._in_and_out(projections)
        dx = self._buffer(x.shape[1], "dx")
        if need_dx:
            torch.mm(outputs[0], projections[0].weight, out=dx)
            for projection, output in zip(projections[1:], outputs[1:], strict=True):
                dx.addmm_(output, projection.weight)
        for span, view, gradient_view in zip(self._spans, self._adapters, self._gradients, strict=True):
            factors = view.factors.get((layer, group))
            if factors is None:
                continue
            gradients = gradient_view.factors[layer, group]
            inner = x.new_empty(span.stop - span.start, factors.a.shape[0]).fill_(0.01)
            d_inner = torch.empty_like(inner)
            for i, position in enumerate(factors.positions):
                d_output = outputs[position][span]
                self._of(d_inner, i).addmm_(d_output, factors.b[i], beta=0)
                torch.mm(d_output.T, self._of(inner, i), out=gradients.b[i])
            torch.mm(d_inner.T, x[span], out=gradients.a)
            if need_dx:
                dx[span].addmm_(d_inner, factors.a)

    def _head(self) -> None:
        head = self._base.head
        hidden = self._buffer(head.shape[1], "x")[: self._targets]
        logits = times_transposed(hidden, head, self._base.packed_head)
        torch.mm(logits, head, out=self._buffer(head.shape[1], "dx")[: self._targets])

    def _of(self, inner: Tensor, index: int) -> Tensor:
        return inner[:, index * self._rank : (index + 1) * self._rank]

    def _in_and_out(self, projections: Sequence[Projection]) -> tuple[Tensor, list[Tensor]]:
        x = self._buffer(projections[0].weight.shape[1], "x")
        return x, [self._buffer(p.weight.shape[0], f"y{i}") for i, p in enumerate(projections)]

    def _buffer(self, width: int, use: str) -> Tensor:
        """[tokens, width] of small values; outputs are never read as inputs, so no number of products overflows."""
        if (width, use) not in self._buffers:
            self._buffers[width, use] = self._random(self._tokens, width)
        return self._buffers[width, use]

    def _random_view(self, layout: AdapterLayout) -> AdapterView:
        return layout.view(self._random(1, layout.size).squeeze(0))

    def _random(self, rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, dtype=self._base.dtype, device=self._base.device).mul_(0.01)


def best_rate(device: torch.device, dtype: torch.dtype, size: int) -> Callable[[], float]:
    """Measures the device's rate at dense products of `size`, in TFLOP/s: twenty [size, size] times [size, size]."""
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(one)

    def measure() -> float:
        torch.mm(one, other, out=out)
        finish(device)
        began = time.perf_counter()
        for _ in range(20):
            torch.mm(one, other, out=out)
        finish(device)
        return 20 * 2 * size**3 / (time.perf_counter() - began) / 1e12

    return measure
