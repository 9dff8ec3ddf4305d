"""Adapters that are held in more precision than the pass computes in: fp32 adapters over a bf16 base.

On a CPU a product of few rows costs two to eight times as much in bf16 as in fp32: the library builds a bf16 kernel per
row count, and adapters have another row count in every pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..base import FrozenBase
from ..kernels.elementwise import statistics_dtype
from ..layers.linear import Key, SavedLora
from .layout import LoraTerm
from .single import SingleAdapter

#: rows per adapter from which bf16 products are faster; judged by single products of up to 350 rows
_MANY_ROWS = 256
#: rows whose fp32 copies stay in a core's cache until they are narrowed again
_ROWS_AT_ONCE = 128


def adapter_dtype(base: FrozenBase, rows: float) -> torch.dtype:
    """The dtype to hold an adapter in that is applied to `rows` rows of a pass."""
    few = rows < _MANY_ROWS and base.device.type == "cpu"
    return statistics_dtype(base.dtype) if few else base.dtype


def fp32_adapters(terms: Sequence[LoraTerm]) -> list["Fp32Adapters"]:
    """The kernels for adapters wider than the pass, at most `_ROWS_AT_ONCE` rows each unless one adapter has more."""
    runs: list[list[LoraTerm]] = []
    for term in sorted(terms, key=lambda term: term.rows.start):
        if runs and term.rows.stop - runs[-1][0].rows.start <= _ROWS_AT_ONCE:
            runs[-1].append(term)
        else:
            runs.append([term])
    return [Fp32Adapters(run) for run in runs]


class Fp32Adapters:
    """Adapters of one dtype, in the order of their rows. Inputs and outputs are widened and narrowed once for all."""

    def __init__(self, terms: Sequence[LoraTerm]) -> None:
        start = terms[0].rows.start
        self._rows = slice(start, max(term.rows.stop for term in terms))
        self._adapters = [SingleAdapter(_moved(term, -start)) for term in terms]
        self._dtype = terms[0].weights.flat.dtype

    def add(self, key: Key, x: Tensor, outputs: Sequence[Tensor]) -> "SavedFp32 | None":
        factors = [found for one in self._adapters if (found := one.term.weights.factors.get(key)) is not None]
        if not factors:
            return None
        positions = {position for one in factors for position in one.positions}
        narrow = [output[self._rows] for output in outputs]
        wide_x, wide_outputs = x[self._rows].to(self._dtype), _widened(narrow, positions, self._dtype)
        adapters = (adapter.add(key, wide_x, wide_outputs) for adapter in self._adapters)
        saved = [one for one in adapters if one is not None]
        for position in positions:
            # the sum is copied: adding in place to another dtype takes up to thirty times as long
            narrow[position].copy_(wide_outputs[position])
        return SavedFp32(saved, self._rows, positions, self._dtype)


@dataclass(frozen=True)
class SavedFp32:
    """The backward pass of `Fp32Adapters`.

    Attributes:
        positions: the projections of the group on which an adapter has factors.
    """

    adapters: Sequence[SavedLora]
    rows: slice
    positions: set[int]
    dtype: torch.dtype

    @property
    def trained(self) -> bool:
        return any(one.trained for one in self.adapters)

    def backward(self, d_outputs: Sequence[Tensor], x: Tensor | None, dx: Tensor | None) -> None:
        wide_d_outputs = _widened([one[self.rows] for one in d_outputs], self.positions, self.dtype)
        wide_x = None if x is None else x[self.rows].to(self.dtype)
        wide_dx = None if dx is None else dx[self.rows].to(self.dtype)
        for one in self.adapters:
            if dx is not None or one.trained:
                one.backward(wide_d_outputs, wide_x, wide_dx)
        if dx is not None and wide_dx is not None:
            dx[self.rows].copy_(wide_dx)


def _moved(term: LoraTerm, by: int) -> LoraTerm:
    return replace(term, rows=slice(term.rows.start + by, term.rows.stop + by))


def _widened(tensors: Sequence[Tensor], positions: set[int], dtype: torch.dtype) -> list[Tensor]:
    """Copies in `dtype` at `positions`; no kernel reads the others."""
    return [tensor.to(dtype) if i in positions else tensor for i, tensor in enumerate(tensors)]
