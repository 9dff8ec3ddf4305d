"""Keys and values of the rows that are being answered: one slot a row, the first so many slots in use."""

import math

import torch
from torch import Tensor

from ..base import FrozenBase

#: lengths grow by whole steps of this, so that a row that gets longer does not move everything at each token
_LENGTH_STEP = 64


class KVCache:
    """Room for the rows under way. What a slot holds beyond its row's length is left over from others.

    Attributes:
        kv: [2, layers, slots, kv heads, length, head dim], keys then values.
    """

    def __init__(self, decoder: FrozenBase, most_bytes: int) -> None:
        """An empty cache; beyond `most_bytes` it holds no more than it must."""
        self._layers = len(decoder.layers)
        self._heads, self._head_dim = decoder.kv_heads, decoder.head_dim
        self._most_bytes = most_bytes
        self.kv = torch.zeros(self._shape(0, 0), dtype=decoder.dtype, device=decoder.device)

    def fits(self, slots: int, length: int) -> bool:
        """Whether so many slots of this length are within bounds."""
        return math.prod(self._shape(slots, length)) * self.kv.element_size() <= self._most_bytes

    def reserve(self, slots: int, length: int, used: int) -> None:
        """Make room for at least so many slots of at least this length. What is in the first `used` slots stays."""
        have_slots, have_length = self.kv.shape[2], self.kv.shape[4]
        if slots <= have_slots and length <= have_length:
            return
        # rows come one by one: by doubling, what is there is copied seldom
        ample = max(slots, 2 * have_slots if slots > have_slots else have_slots), max(length, have_length)
        # zeros, because a masked key counts 0 times its value, and 0 times what memory happens to hold may be NaN
        grown = self.kv.new_zeros(self._shape(*ample) if self.fits(*ample) else self._shape(slots, length))
        kept = min(have_length, grown.shape[4])
        grown[:, :, :used, :, :kept] = self.kv[:, :, :used, :, :kept]
        self.kv = grown

    def drop(self) -> None:
        """Free everything; no row may be under way."""
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
