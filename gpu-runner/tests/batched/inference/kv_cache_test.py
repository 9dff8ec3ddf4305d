"""What slots hold while rows come, grow and go, and what memory they take."""

import pytest
import torch

from selkie_runner.batched import FrozenBase
from selkie_runner.batched.inference.kv_cache import KVCache, Slot
from support.batched import tiny


@pytest.fixture(scope="module")
def base() -> FrozenBase:
    return FrozenBase.share(tiny("llama-tiny", torch.float32).model)


def fill(cache: KVCache, slot: Slot, value: float, length: int) -> None:
    """Fill the slot's first positions with a value."""
    for layer in slot.bucket.kv:
        layer[:, slot.index, :, :length] = value
    slot.length = length


def held(cache: KVCache, slot: Slot) -> set[float]:
    """The values that a row holds."""
    return set(cache.read(slot, 0, slot.length, slice(None)).flatten().tolist())


def test_rows_keep_what_they_hold_while_others_come_grow_and_leave(base: FrozenBase):
    cache = KVCache(base, 2**30)
    slots = [cache.allocate(length) for length in (5, 60, 64, 65, 300, 1, 2, 3)]
    for value, slot in enumerate(slots):
        fill(cache, slot, value, slot.index + 1)
    cache.free(slots[1])
    cache.move(slots[0], 65)
    cache.move(slots[7], 1000)
    cache.trim()
    for value in (0, 2, 3, 4, 5, 6, 7):
        assert held(cache, slots[value]) == {value}
    assert [slots[index].bucket.length for index in (0, 2, 3, 4, 7)] == [128, 64, 128, 512, 1024]


def test_a_short_row_takes_no_more_memory_beside_a_long_one(base: FrozenBase):
    cache = KVCache(base, 2**30)
    for _ in range(8):
        cache.allocate(60)
    assert cache.nbytes == 8 * 64 * cache.token_bytes
    long = cache.allocate(4000)
    assert cache.nbytes == (8 * 64 + 4096) * cache.token_bytes
    cache.free(long)
    cache.trim()
    assert cache.nbytes == 8 * 64 * cache.token_bytes


def test_memory_shrinks_when_rows_have_left(base: FrozenBase):
    cache = KVCache(base, 2**30)
    slots = [cache.allocate(60) for _ in range(64)]
    for slot in slots[1:]:
        cache.free(slot)
        cache.trim()
    assert cache.nbytes <= 4 * 64 * cache.token_bytes
    cache.free(slots[0])
    cache.trim()
    assert cache.nbytes == 0


def test_only_what_is_within_the_bound_fits(base: FrozenBase):
    cache = KVCache(base, 3 * 64 * KVCache(base, 0).token_bytes)
    for _ in range(3):
        assert cache.fits(60)
        cache.allocate(60)
    # not doubled beyond the bound
    assert cache.nbytes == 3 * 64 * cache.token_bytes
    assert not cache.fits(60)


def test_a_row_keeps_what_it_holds_in_some_layers_only(base: FrozenBase):
    cache = KVCache(base, 2**30)
    first, second = cache.allocate(60), cache.allocate(60)
    kv = torch.ones(2, 1, base.kv_heads, 40, base.head_dim)
    cache.write(second, kv, slice(1))
    second.length = 8
    cache.free(first)
    assert torch.equal(cache.read(second, 0, 40, slice(1)), kv)


def test_a_slot_has_nothing_left_that_is_not_finite(base: FrozenBase):
    cache = KVCache(base, 2**30)
    first, second = cache.allocate(10), cache.allocate(10)
    fill(cache, first, float("nan"), 60)
    fill(cache, second, 1.0, 4)
    cache.free(first, clear=True)
    third = cache.allocate(10)
    for slot in (second, third):
        assert all(bool(layer[:, slot.index].isfinite().all()) for layer in slot.bucket.kv)
