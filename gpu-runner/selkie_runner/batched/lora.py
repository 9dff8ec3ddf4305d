"""Linear layers with many adapters: one product with the frozen weight for all rows, each adapter on its own rows."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .adapter import GroupFactors, LoraTerm
from .decoder import Projection


@dataclass(frozen=True)
class _Applied:
    term: LoraTerm
    factors: GroupFactors
    gradients: GroupFactors | None
    #: x Aᵀ, [rows, n * rank]
    inner: Tensor


@dataclass(frozen=True)
class SavedGroup:
    """What the backward pass needs: the input, kept only where an A is trained on it, and each adapter's inner rows."""

    x: Tensor | None
    applied: list[_Applied]


def project(
    x: Tensor, group: tuple[Projection, ...], key: tuple[int, int], terms: list[LoraTerm]
) -> tuple[list[Tensor], SavedGroup]:
    """Outputs [T, out] of a group of projections that share the input `x` [T, in]; `key` is (layer, group)."""
    outputs = [functional.linear(x, projection.weight, projection.bias) for projection in group]
    applied: list[_Applied] = []
    for term in terms:
        factors = term.weights.factors.get(key)
        if factors is None:
            continue
        rank = term.weights.layout.rank
        inner = x[term.rows] @ factors.a.T
        for i, position in enumerate(factors.positions):
            outputs[position][term.rows].addmm_(inner[:, i * rank : (i + 1) * rank], factors.b[i].T, alpha=term.scale)
        gradients = None if term.gradients is None else term.gradients.factors[key]
        applied.append(_Applied(term, factors, gradients, inner))
    trained = any(entry.gradients is not None for entry in applied)
    return outputs, SavedGroup(x if trained else None, applied)


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
    for entry in saved.applied:
        if entry.gradients is None and dx is None:
            continue
        rows, scale = entry.term.rows, entry.term.scale
        rank = entry.term.weights.layout.rank
        d_inner = torch.empty_like(entry.inner)
        for i, position in enumerate(entry.factors.positions):
            columns = slice(i * rank, (i + 1) * rank)
            d_output = d_outputs[position][rows]
            torch.mm(d_output, entry.factors.b[i], out=d_inner[:, columns])
            if entry.gradients is not None:
                torch.mm(d_output.T, entry.inner[:, columns], out=entry.gradients.b[i])
        if entry.gradients is not None and saved.x is not None:
            torch.mm(d_inner.T, saved.x[rows], out=entry.gradients.a)
        if dx is not None:
            dx[rows].addmm_(d_inner, entry.factors.a, alpha=scale)
    return dx
