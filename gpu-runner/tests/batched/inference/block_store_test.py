"""Which blocks are found again, and which go first."""

from collections.abc import Sequence

import torch

from selkie_runner.batched.inference.block_store import BLOCK, Block, BlockId, BlockStore, Root, blocks_of, chain_of

KV = torch.zeros(2, 1, 1, BLOCK, 1)


def chain(root: Root, tokens: Sequence[int]) -> list[BlockId]:
    return list(chain_of(root, blocks_of(tokens)))


def add(store: BlockStore, root: Root, tokens: Sequence[int]) -> None:
    """Store the blocks of these tokens that are missing."""
    ids = chain(root, tokens)
    new = blocks_of(tokens)[store.count(ids) :]
    store.add(ids, [Block(KV[:, :, :, : len(block)].clone()) for block in new])


def found(store: BlockStore, root: Root, tokens: Sequence[int]) -> list[int]:
    """The lengths of the blocks that are found."""
    return [block.length for block in store.find(chain(root, tokens))]


def test_the_oldest_leaf_is_dropped_first():
    store = BlockStore(3 * KV.nbytes)
    one, other = list(range(2 * BLOCK)), [*range(BLOCK), *range(100, 100 + BLOCK)]
    add(store, "a", one)
    add(store, "a", other)
    assert (found(store, "a", one), found(store, "a", other)) == ([BLOCK, BLOCK], [BLOCK, BLOCK])
    assert found(store, "b", one) == []
    found(store, "a", one)
    # the fourth block: the least recently used one is the leaf of `other`
    add(store, "b", one[:BLOCK])
    assert (found(store, "a", other), found(store, "a", one)) == ([BLOCK], [BLOCK, BLOCK])
    assert found(store, "b", one) == [BLOCK]


def test_a_short_block_is_found_by_exactly_its_tokens():
    store = BlockStore(2**20)
    tokens = list(range(BLOCK + 3))
    add(store, 1, tokens)
    assert found(store, 1, tokens) == [BLOCK, 3]
    assert found(store, 1, tokens[:-1]) == [BLOCK]


def test_the_ids_of_a_chain_depend_on_all_tokens_before_and_on_the_root():
    tokens = list(range(3 * BLOCK))
    ids = chain("a", tokens)
    assert chain("a", tokens[: 2 * BLOCK]) == ids[:2]
    assert not set(ids) & {*chain("a", [1, *tokens[1:]]), *chain("b", tokens)}
    # a number and a text are different roots
    assert not set(chain(1, tokens)) & set(chain("1", tokens))


def test_nothing_is_kept_of_roots_whose_blocks_are_dropped():
    store = BlockStore(2 * KV.nbytes)
    for number in range(50):
        add(store, f"adapter{number}", list(range(BLOCK)))
    assert store.nbytes == 2 * KV.nbytes
    # what the store holds has no other place than its blocks
    assert [len(held) for held in vars(store).values() if isinstance(held, dict)] == [2]


def test_a_store_of_no_bytes_keeps_nothing():
    store = BlockStore(0)
    add(store, "a", list(range(BLOCK)))
    assert (store.enabled, store.nbytes, found(store, "a", list(range(BLOCK)))) == (False, 0, [])
