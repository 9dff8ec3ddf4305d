"""Keys and values of the rows in progress: one slot per row; live rows occupy the first slots."""

import math

import torch
from torch import Tensor

from ..base import FrozenBase

#: slots grow by this many positions, so that a row that gets longer does not move everything at each token
_LENGTH_STEP = 64


class KVCache:
    """A slot per row. Beyond its row's length a slot holds what earlier rows left.

    Attributes:
        kv: [2, layers, slots, kv heads, length, head dim], keys then values.
    """

    def __init__(self, base: FrozenBase, max_bytes: int) -> None:
        """An empty cache. It exceeds `max_bytes` only where the rows it must hold do."""
        self._layers = len(base.layers)
        self._heads, self._head_dim = base.kv_heads, base.head_dim
        self._max_bytes = max_bytes
        self.kv = torch.zeros(self._shape(0, 0), dtype=base.dtype, device=base.device)

    def fits(self, slots: int, length: int) -> bool:
        """Whether `slots` slots of `length` positions are within `max_bytes`."""
        return math.prod(self._shape(slots, length)) * self.kv.element_size() <= self._max_bytes

    def reserve(self, slots: int, length: int, used: int) -> None:
        """Make room for at least `slots` slots of at least `length` positions; the first `used` keep their content."""
        have_slots, have_length = self.kv.shape[2], self.kv.shape[4]
        if slots <= have_slots and length <= have_length:
            return
        # doubled, since rows come one by one and growing copies everything
        ample = max(slots, 2 * have_slots if slots > have_slots else have_slots), max(length, have_length)
        # zeros: a masked key counts 0 times its value, and 0 times what memory happens to hold may be NaN
        grown = self.kv.new_zeros(self._shape(*ample) if self.fits(*ample) else self._shape(slots, length))
        kept = min(have_length, grown.shape[4])
        grown[:, :, :used, :, :kept] = self.kv[:, :, :used, :, :kept]
        self.kv = grown

    def drop(self) -> None:
        """Free everything; no row may be in progress."""
        self.kv = self.kv.new_zeros(self._shape(0, 0))

    def write(self, slot: int, kv: Tensor, layers: slice) -> None:
        """Put `kv` [2, layers, kv heads, n, head dim] at the start of a slot, in these layers."""
        self.kv[:, layers, slot, :, : kv.shape[3]] = kv

    def read(self, slot: int, start: int, stop: int, layers: slice) -> Tensor:
        """A copy of a slot's positions in these layers, [2, layers, kv heads, stop - start, head dim]."""
        return self.kv[:, layers, slot, :, start:stop].clone()

    def move(self, source: int, target: int, length: int) -> None:
        """Copy a row's first `length` positions to another slot."""
        self.kv[:, :, target, :, :length] = self.kv[:, :, source, :, :length]

    def clear(self, slot: int) -> None:
        """Zero a slot, after a row whose numbers were not finite."""
        self.kv[:, :, slot].zero_()

    def _shape(self, slots: int, length: int) -> tuple[int, ...]:
        rounded = -(-length // _LENGTH_STEP) * _LENGTH_STEP
        return (2, self._layers, slots, self._heads, rounded, self._head_dim)
