"""Keys and values of the rows in progress, in buckets of slots of one length.

A row has one slot. It moves to the bucket of twice the length when it outgrows its own, so memory follows what rows
hold, not what they may come to hold, and attention reads no more of a short row because a long one is in progress.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..base import FrozenBase

#: positions of the shortest slots; each bucket's are twice as long as those of the one before
_MIN_LENGTH = 64


@dataclass(eq=False)
class Bucket:
    """Slots of one length. Its rows occupy the first of them, so attention reads adjoining rows in place.

    Attributes:
        length: positions per slot. Beyond its row's length a slot holds what earlier rows left.
        kv: per layer [2, slots, kv heads, length, head dim], keys then values.
        used: the occupied slots, in order.
    """

    length: int
    kv: list[Tensor]
    used: "list[Slot]" = field(default_factory=list["Slot"])

    @property
    def capacity(self) -> int:
        """Slots that there are in all layers."""
        return min(layer.shape[1] for layer in self.kv)


@dataclass(eq=False)
class Slot:
    """A row's place in the cache.

    Attributes:
        index: in its bucket; changes when another row leaves.
        length: positions that it holds in all layers.
        written: positions that it holds in some layers, if those are more.
    """

    bucket: Bucket
    index: int
    length: int = 0
    written: int = 0

    @property
    def held(self) -> slice:
        """The positions that the row needs."""
        return slice(max(self.length, self.written))


class KVCache:
    """Buckets of slots, up to a number of bytes.

    Attributes:
        token_bytes: of the keys and values of one position.
    """

    def __init__(self, base: FrozenBase, max_bytes: int) -> None:
        """An empty cache. It exceeds `max_bytes` only where its caller ignores `fits`."""
        self._layers = len(base.layers)
        self._heads, self._head_dim = base.kv_heads, base.head_dim
        self._dtype, self._device = base.dtype, base.device
        self._max_bytes = max_bytes
        self.token_bytes = 2 * self._layers * self._heads * self._head_dim * self._dtype.itemsize
        self._buckets: dict[int, Bucket] = {}

    @property
    def nbytes(self) -> int:
        """What all slots take, used or not."""
        return sum(layer.nbytes for bucket in self._buckets.values() for layer in bucket.kv)

    def fits(self, length: int) -> bool:
        """Whether another row of `length` positions is within `max_bytes`."""
        bucket = self._buckets.get(_slot_length(length))
        if bucket is not None and len(bucket.used) < bucket.capacity:
            return True
        return self.nbytes + _slot_length(length) * self.token_bytes <= self._max_bytes

    def allocate(self, length: int) -> Slot:
        """A slot with room for `length` positions. Where memory runs out, the cache is as before."""
        length = _slot_length(length)
        if length not in self._buckets:
            self._buckets[length] = Bucket(length, [self._empty(0, length)] * self._layers)
        bucket = self._buckets[length]
        used, capacity = len(bucket.used), bucket.capacity
        if used == capacity:
            # doubled, since rows come one by one and growing copies the bucket
            extra = max(1, capacity)
            ample = self.nbytes + extra * length * self.token_bytes <= self._max_bytes
            self._resize(bucket, capacity + (extra if ample else 1))
        slot = Slot(bucket, used)
        bucket.used.append(slot)
        # a masked key counts 0 times its value, which must be finite
        self._clear(slot)
        return slot

    def move(self, slot: Slot, length: int) -> None:
        """Move a row to a slot with room for `length` positions. Where memory runs out, the row stays."""
        target = self.allocate(length)
        for old, new in zip(slot.bucket.kv, target.bucket.kv, strict=True):
            new[:, target.index, :, slot.held] = old[:, slot.index, :, slot.held]
        self.free(slot)
        slot.bucket, slot.index = target.bucket, target.index
        target.bucket.used[target.index] = slot

    def free(self, slot: Slot, *, clear: bool = False) -> None:
        """Give a slot up; the last one of its bucket moves into its place.

        Args:
            clear: what the slot holds may not be finite.
        """
        bucket = slot.bucket
        if clear:
            self._clear(slot)
        last = bucket.used.pop()
        if last is not slot:
            for layer in bucket.kv:
                layer[:, slot.index, :, last.held] = layer[:, last.index, :, last.held]
            last.index = slot.index
            bucket.used[slot.index] = last

    def trim(self) -> None:
        """Free the memory of buckets that are empty, and half of those that are three quarters empty."""
        for length, bucket in list(self._buckets.items()):
            if not bucket.used:
                del self._buckets[length]
            elif 4 * len(bucket.used) <= bucket.capacity:
                self._resize(bucket, bucket.capacity // 2)

    def drop(self) -> None:
        """Free everything; no row may be in progress."""
        self._buckets.clear()

    def write(self, slot: Slot, kv: Tensor, layers: slice) -> None:
        """Put `kv` [2, layers, kv heads, n, head dim] at the start of a slot, in these layers."""
        slot.written = max(slot.written, kv.shape[3])
        for layer, values in zip(slot.bucket.kv[layers], kv.unbind(1), strict=True):
            layer[:, slot.index, :, : values.shape[2]] = values

    def read(self, slot: Slot, start: int, stop: int, layers: slice) -> Tensor:
        """A copy of a slot's positions in these layers, [2, layers, kv heads, stop - start, head dim]."""
        return torch.stack([layer[:, slot.index, :, start:stop] for layer in slot.bucket.kv[layers]], dim=1)

    def _resize(self, bucket: Bucket, slots: int) -> None:
        # layer by layer, so that only one layer is held twice
        used = len(bucket.used)
        for index, layer in enumerate(bucket.kv):
            resized = self._empty(slots, bucket.length)
            resized[:, :used] = layer[:, :used]
            bucket.kv[index] = resized

    def _empty(self, slots: int, length: int) -> Tensor:
        shape = (2, slots, self._heads, length, self._head_dim)
        return torch.empty(shape, dtype=self._dtype, device=self._device)

    def _clear(self, slot: Slot) -> None:
        for layer in slot.bucket.kv:
            layer[:, slot.index].zero_()


def _slot_length(length: int) -> int:
    """The length of the slots that a row of `length` positions gets."""
    return _MIN_LENGTH << (max(0, length - 1) // _MIN_LENGTH).bit_length()
