"""How often prompts are looked up, and what waiting rows are compared with."""

from collections.abc import Sequence

import pytest
import torch

from selkie_runner.batched import FrozenBase
from selkie_runner.batched.inference.adapter_source import BASE
from selkie_runner.batched.inference.block_store import BLOCK, BlockId, BlockStore
from selkie_runner.batched.inference.kv_cache import KVCache
from selkie_runner.batched.inference.prefix_cache import PrefixCache, Prompt
from support.batched import tiny


@pytest.fixture(scope="module")
def base() -> FrozenBase:
    return FrozenBase.share(tiny("llama-tiny", torch.float32).model)


def prompt(first: int, tokens: int) -> Prompt:
    return Prompt(BASE, tuple(range(first, first + tokens)), tokens - 1, 0)


def computed(cache: PrefixCache, kv_cache: KVCache, one: Prompt) -> None:
    """Store a prompt as if it were computed."""
    slot = kv_cache.allocate(len(one.tokens))
    slot.length = len(one.tokens)
    cache.store(one, kv_cache, slot, 0, None)
    kv_cache.free(slot)


def test_a_waiting_prompt_is_looked_up_only_when_the_cache_has_changed(
    base: FrozenBase, monkeypatch: pytest.MonkeyPatch
):
    looked_up: list[int] = []
    count = BlockStore.count

    def counted(store: BlockStore, chain: Sequence[BlockId]) -> int:
        looked_up.append(len(chain))
        return count(store, chain)

    kv_cache = KVCache(base, 2**30)
    cache = PrefixCache(len(base.layers), kv_cache.token_bytes, 2**30)
    waiting = prompt(0, 100 * BLOCK + 1)
    monkeypatch.setattr(BlockStore, "count", counted)
    for _ in range(3):
        assert cache.uncached_tokens(waiting) == len(waiting.tokens)
    assert looked_up == [100]
    computed(cache, kv_cache, prompt(0, 10 * BLOCK + 1))
    looked_up.clear()
    for _ in range(3):
        assert cache.uncached_tokens(waiting) == 90 * BLOCK + 1
    assert looked_up == [100]


def test_the_blocks_of_a_prompt_are_as_many_as_its_tokens_fill(base: FrozenBase):
    kv_cache = KVCache(base, 2**30)
    cache = PrefixCache(len(base.layers), kv_cache.token_bytes, 2**30)
    long = prompt(0, 1000 * BLOCK + 1)
    blocks = list(cache.blocks(long))
    # ids of one size, however long the tokens before them are
    assert (len(blocks), {len(block) for block in blocks}) == (1000, {16})
    assert cache.uncached_tokens_after(long, set(blocks[:400])) == 600 * BLOCK + 1


def test_no_row_waits_for_a_prompt_that_is_too_long_to_stay_cached(base: FrozenBase):
    kv_cache = KVCache(base, 2**30)
    cache = PrefixCache(len(base.layers), kv_cache.token_bytes, 4 * BLOCK * kv_cache.token_bytes)
    assert list(cache.blocks(prompt(0, 5 * BLOCK))) == []
    assert len(list(cache.blocks(prompt(0, 3 * BLOCK + 1)))) == 3
