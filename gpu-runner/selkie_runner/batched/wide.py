"""Adapters that are held in more precision than the pass computes in, for passes without a backward pass.

On a CPU a product of a few rows costs two to eight times as much in bf16 as in fp32: a bf16 product is set up anew at
each call, and answering takes several hundred of them for each adapter and token.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .adapter import LoraTerm
from .lora import Key


class WideTerms:
    """Some adapters of a pass: their parts are added up in their own dtype, then to the pass's outputs at once."""

    def __init__(self, terms: Sequence[LoraTerm]) -> None:
        self._terms = terms

    def add(self, key: Key, x: Tensor, outputs: Sequence[Tensor]) -> None:
        """Add all adapters' parts to the outputs [T, out] of a group."""
        concerned = [(term, factors) for term in self._terms if (factors := term.weights.factors.get(key)) is not None]
        if not concerned:
            return
        wide = x.to(concerned[0][1].a.dtype)
        parts: dict[int, Tensor] = {}
        for term, factors in concerned:
            rank = term.weights.layout.rank
            inner = torch.mm(wide[term.rows], factors.a.T).mul_(term.scale)
            for i, position in enumerate(factors.positions):
                part = parts.get(position)
                if part is None:
                    part = parts[position] = torch.zeros_like(outputs[position], dtype=wide.dtype)
                part[term.rows].addmm_(inner[:, i * rank : (i + 1) * rank], factors.b[i].T)
        for position, part in parts.items():
            outputs[position].add_(part)
