"""Adapters that are held in more precision than the pass computes in.

On a CPU a product of few rows costs two to eight times as much in bf16 as in fp32: the library makes a bf16 kernel for
every number of rows that it meets, and adapters meet another number in every pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..base import FrozenBase
from ..kernels.elementwise import statistics_dtype
from .layout import LoraTerm
from .linear import Key, SavedLora, SingleAdapter

#: from about so many rows of an adapter on its products are faster in bf16: judged by single products of up to 350
_MANY_ROWS = 256
#: rows whose wide copies stay in a core's cache from the widening to the narrowing
_ROWS_AT_ONCE = 128


def adapter_dtype(decoder: FrozenBase, rows: float) -> torch.dtype:
    """What an adapter that is applied to so many rows of a pass is best held in."""
    few = rows < _MANY_ROWS and decoder.device.type == "cpu"
    return statistics_dtype(decoder.dtype) if few else decoder.dtype


def fp32_runs(terms: Sequence[LoraTerm]) -> list["Fp32Adapters"]:
    """Adapters of one dtype, wider than the pass's, in the order of their rows, a few rows at a time."""
    runs: list[list[LoraTerm]] = []
    for term in sorted(terms, key=lambda term: term.rows.start):
        if runs and term.rows.stop - runs[-1][0].rows.start <= _ROWS_AT_ONCE:
            runs[-1].append(term)
        else:
            runs.append([term])
    return [Fp32Adapters(run) for run in runs]


class Fp32Adapters:
    """Adapters of one dtype in the order of their rows; what they are added to is widened and narrowed once for all."""

    def __init__(self, terms: Sequence[LoraTerm]) -> None:
        start = terms[0].rows.start
        self._rows = slice(start, max(term.rows.stop for term in terms))
        self._terms = [SingleAdapter(_moved(term, -start)) for term in terms]
        self._dtype = terms[0].weights.flat.dtype

    def add(self, key: Key, x: Tensor, outputs: Sequence[Tensor]) -> "SavedFp32 | None":
        factors = [found for one in self._terms if (found := one.term.weights.factors.get(key)) is not None]
        if not factors:
            return None
        positions = {position for one in factors for position in one.positions}
        narrow = [output[self._rows] for output in outputs]
        wide_x, wide_outputs = x[self._rows].to(self._dtype), _widened(narrow, positions, self._dtype)
        applied = [one for one in (term.add(key, wide_x, wide_outputs) for term in self._terms) if one is not None]
        for position in positions:
            # the sum is copied: adding in place what has another dtype takes up to thirty times as long
            narrow[position].copy_(wide_outputs[position])
        return SavedFp32(applied, self._rows, positions, self._dtype)


@dataclass(frozen=True)
class SavedFp32:
    """The adapters' part of the outputs of a group, at the `positions` where one of them has factors."""

    applied: Sequence[SavedLora]
    rows: slice
    positions: set[int]
    dtype: torch.dtype

    @property
    def trained(self) -> bool:
        return any(one.trained for one in self.applied)

    def backward(self, d_outputs: Sequence[Tensor], x: Tensor | None, dx: Tensor | None) -> None:
        wide_d_outputs = _widened([one[self.rows] for one in d_outputs], self.positions, self.dtype)
        wide_x = None if x is None else x[self.rows].to(self.dtype)
        wide_dx = None if dx is None else dx[self.rows].to(self.dtype)
        for one in self.applied:
            if dx is not None or one.trained:
                one.backward(wide_d_outputs, wide_x, wide_dx)
        if dx is not None and wide_dx is not None:
            dx[self.rows].copy_(wide_dx)


def _moved(term: LoraTerm, by: int) -> LoraTerm:
    return replace(term, rows=slice(term.rows.start + by, term.rows.stop + by))


def _widened(tensors: Sequence[Tensor], positions: set[int], dtype: torch.dtype) -> list[Tensor]:
    """Copies in `dtype` at the positions; the others are not looked at and stay as they are."""
    return [tensor.to(dtype) if i in positions else tensor for i, tensor in enumerate(tensors)]
