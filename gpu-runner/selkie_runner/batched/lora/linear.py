"""Linear layers with many adapters: one product with the frozen weight for all rows, each adapter on its own rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..base import Projection
from ..kernels.products import times_transposed
from .layout import LoraTerm

#: (layer, group)
Key = tuple[int, int]


class SavedLora(Protocol):
    """Adapters that were added to the outputs of one group of projections."""

    @property
    def trained(self) -> bool:
        """Whether the backward pass needs the group's input."""
        ...

    def backward(self, d_outputs: Sequence[Tensor], x: Tensor | None, dx: Tensor | None) -> None:
        """Leave the factors' gradients where their terms say, and add to `dx` where it is wanted."""
        ...


class LoraKernel(Protocol):
    """One way to compute some adapters of a pass: a `LoraTerm` alone here, many of one shape in `grouped.py`."""

    def add(self, key: Key, x: Tensor, outputs: Sequence[Tensor]) -> SavedLora | None:
        """Add the adapters' part to the outputs [T, out] of a group; None where they have no factors on it."""
        ...


@dataclass(frozen=True)
class SavedGroup:
    """What the backward pass needs: the input, kept only where factors are trained on it, and what was applied."""

    x: Tensor | None
    applied: list[SavedLora]


def project(
    x: Tensor, group: tuple[Projection, ...], key: Key, terms: Sequence[LoraKernel]
) -> tuple[list[Tensor], SavedGroup]:
    """Outputs [T, out] of a group of projections that share the input `x` [T, in]."""
    outputs = [times_transposed(x, one.weight, one.packed, one.bias) for one in group]
    applied = [one for one in (term.add(key, x, outputs) for term in terms) if one is not None]
    return outputs, SavedGroup(x if any(one.trained for one in applied) else None, applied)


def project_backward(
    d_outputs: list[Tensor], group: tuple[Projection, ...], saved: SavedGroup, *, need_dx: bool
) -> Tensor | None:
    """Leave the gradients of the trained factors where their terms say, and return that of the input [T, in].

    With `need_dx` false nothing below is trained: returns None and computes only the factors' own gradients.
    """
    dx: Tensor | None = None
    if need_dx:
        dx = d_outputs[0] @ group[0].weight
        for d_output, projection in zip(d_outputs[1:], group[1:], strict=True):
            dx.addmm_(d_output, projection.weight)
    for applied in saved.applied:
        if dx is not None or applied.trained:
            applied.backward(d_outputs, saved.x, dx)
    return dx


@dataclass(frozen=True)
class SingleAdapter:
    """One adapter, in products of its own: any dtype, any rank, any device."""

    term: LoraTerm

    def add(self, key: Key, x: Tensor, outputs: Sequence[Tensor]) -> "SavedSingle | None":
        factors = self.term.weights.factors.get(key)
        if factors is None:
            return None
        rows = self.term.rows
        inner = _scaled_product(x[rows], factors.a_t, self.term.scale)
        parts = inner.split(self.term.weights.layout.rank, 1)
        for position, part, b_t in zip(factors.positions, parts, factors.b_t, strict=True):
            outputs[position][rows].addmm_(part, b_t)
        return SavedSingle(self.term, key, inner)


@dataclass(frozen=True)
class SavedSingle:
    """One adapter's part of the outputs of a group."""

    term: LoraTerm
    key: Key
    #: scale * x Aᵀ, [rows, projections * rank]
    inner: Tensor

    @property
    def trained(self) -> bool:
        return self.term.gradients is not None

    def backward(self, d_outputs: Sequence[Tensor], x: Tensor | None, dx: Tensor | None) -> None:
        rows, rank = self.term.rows, self.term.weights.layout.rank
        factors = self.term.weights.factors[self.key]
        gradients = None if self.term.gradients is None else self.term.gradients.factors[self.key]
        d_inner = torch.empty_like(self.inner)
        parts = zip(self.inner.split(rank, 1), d_inner.split(rank, 1), strict=True)
        for i, (part, d_part) in enumerate(parts):
            d_output = d_outputs[factors.positions[i]][rows]
            d_part.addmm_(d_output, factors.b[i], beta=0, alpha=self.term.scale)
            if gradients is not None:
                torch.mm(d_output.T, part, out=gradients.b[i])
        if gradients is not None and x is not None:
            torch.mm(d_inner.T, x[rows], out=gradients.a)
        if dx is not None:
            dx[rows].addmm_(d_inner, factors.a)


def _scaled_product(x: Tensor, y: Tensor, scale: float) -> Tensor:
    return x.new_empty(x.shape[0], y.shape[1]).addmm_(x, y, beta=0, alpha=scale)
