"""One adapter in its own products: any dtype, any rank, any device."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..layers.linear import Key
from .layout import LoraTerm


@dataclass(frozen=True)
class SingleAdapter:
    """Adds `scale` * x Aᵀ Bᵀ to one term's rows."""

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
    """The backward pass of `SingleAdapter`.

    Attributes:
        inner: [rows, projections * rank] scale * x Aᵀ.
    """

    term: LoraTerm
    key: Key
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
