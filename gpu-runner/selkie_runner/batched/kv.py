"""Keys and values of the rows that are being answered: one slot a row, the first so many slots in use."""

import torch
from torch import Tensor

from .decoder import FrozenDecoder

#: lengths grow by whole steps of this, so that a row that gets longer does not move everything at each token
_LENGTH_STEP = 64


class LiveCache:
    """Room for the rows under way. What a slot holds beyond its row's length is left over from others.

    Attributes:
        kv: [2, layers, slots, kv heads, length, head dim], keys then values.
    """

    def __init__(self, decoder: FrozenDecoder) -> None:
        self._layers = len(decoder.layers)
        self._heads, self._head_dim = decoder.kv_heads, decoder.head_dim
        self.kv = torch.zeros(self._shape(0, 0), dtype=decoder.dtype, device=decoder.device)

    def bytes_for(self, slots: int, length: int) -> int:
        """Memory that so many slots of this length take."""
        elements = 1
        for size in self._shape(slots, _rounded(length)):
            elements *= size
        return elements * self.kv.element_size()

    def reserve(self, slots: int, length: int) -> None:
        """Make room for at least so many slots of at least this length. What is there stays."""
        have_slots, have_length = self.kv.shape[2], self.kv.shape[4]
        if slots <= have_slots and length <= have_length:
            return
        # zeros, because a masked key counts 0 times its value, and 0 times what memory happens to hold may be NaN
        grown = self.kv.new_zeros(self._shape(max(slots, have_slots), max(_rounded(length), have_length)))
        grown[:, :, :have_slots, :, :have_length] = self.kv
        self.kv = grown

    def drop(self) -> None:
        """Free everything; for when no row is under way."""
        self.kv = self.kv.new_zeros(self._shape(0, 0))

    def write(self, slot: int, kv: Tensor) -> None:
        """Put `kv` [2, layers, kv heads, n, head dim] at the start of a slot."""
        self.kv[:, :, slot, :, : kv.shape[3]] = kv

    def read(self, slot: int, start: int, stop: int) -> Tensor:
        """A copy of a slot's positions, [2, layers, kv heads, stop - start, head dim]."""
        return self.kv[:, :, slot, :, start:stop].clone()

    def move(self, source: int, target: int, length: int) -> None:
        """Copy a row's first `length` positions to another slot."""
        self.kv[:, :, target, :, :length] = self.kv[:, :, source, :, :length]

    def clear(self, slot: int) -> None:
        """Zero a slot, after a row whose numbers were not finite."""
        self.kv[:, :, slot].zero_()

    def _shape(self, slots: int, length: int) -> tuple[int, ...]:
        return (2, self._layers, slots, self._heads, length, self._head_dim)


def _rounded(length: int) -> int:
    return -(-length // _LENGTH_STEP) * _LENGTH_STEP
