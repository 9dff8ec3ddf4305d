"""Which blocks are found again, and which go first."""

from collections.abc import Sequence

import torch

from selkie_runner.batched.inference.block_store import BLOCK, Block, BlockStore, Root, blocks_of

KV = torch.zeros(2, 1, 1, BLOCK, 1)


def copy(start: int, stop: int) -> Block:
    return Block(KV[:, :, :, : stop - start].clone())


def found(store: BlockStore, root: Root, tokens: Sequence[int]) -> list[int]:
    """The lengths of the blocks that are found."""
    return [block.length for block in store.find(root, blocks_of(tokens))]


def test_the_oldest_leaf_is_dropped_first():
    store = BlockStore(3 * KV.nbytes)
    one, other = list(range(2 * BLOCK)), [*range(BLOCK), *range(100, 100 + BLOCK)]
    store.add("a", blocks_of(one), copy)
    store.add("a", blocks_of(other), copy)
    assert (found(store, "a", one), found(store, "a", other)) == ([BLOCK, BLOCK], [BLOCK, BLOCK])
    assert found(store, "b", one) == []
    found(store, "a", one)
    # the fourth block: the least recently used one is the leaf of `other`
    store.add("b", blocks_of(one[:BLOCK]), copy)
    assert (found(store, "a", other), found(store, "a", one)) == ([BLOCK], [BLOCK, BLOCK])
    assert found(store, "b", one) == [BLOCK]


def test_a_short_block_is_found_by_exactly_its_tokens():
    store = BlockStore(2**20)
    tokens = list(range(BLOCK + 3))
    store.add(1, blocks_of(tokens), copy)
    assert found(store, 1, tokens) == [BLOCK, 3]
    assert found(store, 1, tokens[:-1]) == [BLOCK]


def test_a_chain_ends_where_there_is_nothing_to_copy():
    def copy_two(start: int, stop: int) -> Block | None:
        return None if start == 2 * BLOCK else copy(start, stop)

    store = BlockStore(2**20)
    tokens = list(range(4 * BLOCK))
    store.add(1, blocks_of(tokens), copy_two)
    assert found(store, 1, tokens) == [BLOCK, BLOCK]
