"""Blocks of a few tokens' keys and values, found by the tokens before them.

A block is identified by a digest of its tokens and its parent's digest. So prompts share whatever they begin with: an
instruction, a document, a whole prompt that is answered several times and then scored.
"""

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

#: tokens per block; the last block before an answer may be shorter
BLOCK = 8

#: where a chain of blocks begins: an adapter's key, or a number N for all adapters that leave the layers below N alone
Root = str | int
Tokens = tuple[int, ...]
#: identifies a block and, through its parents, all tokens before it
BlockId = bytes


@dataclass(frozen=True)
class Block:
    """What a range of layers computed for some adjoining tokens.

    Attributes:
        kv: [2, layers, kv heads, tokens, head dim] keys and values.
        hidden: [tokens, hidden] output of the last of these layers; None if no layers follow.
    """

    kv: Tensor
    hidden: Tensor | None = None

    @property
    def length(self) -> int:
        """Its number of tokens."""
        return self.kv.shape[3]

    @property
    def nbytes(self) -> int:
        return self.kv.nbytes + (0 if self.hidden is None else self.hidden.nbytes)


def blocks_of(tokens: Sequence[int]) -> list[Tokens]:
    """The tokens, `BLOCK` at a time."""
    return [tuple(tokens[start : start + BLOCK]) for start in range(0, len(tokens), BLOCK)]


def chain_of(root: Root, blocks: Iterable[Tokens]) -> Iterator[BlockId]:
    """The ids of blocks that follow one another."""
    parent = _digest(repr(root).encode())
    for tokens in blocks:
        parent = _digest(parent + array("q", tokens).tobytes())
        yield parent


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


class BlockStore:
    """Blocks up to a number of bytes; beyond it the least recently used are dropped.

    Nothing here is ever out of date: an adapter's key is never used for other weights.

    Attributes:
        generation: changes whenever other blocks are there than before.
    """

    def __init__(self, capacity_bytes: int) -> None:
        """Keep up to `capacity_bytes`; with 0 nothing is kept."""
        self._capacity = capacity_bytes
        self._bytes = 0
        self.generation = 0
        # least recently used first
        self._blocks: OrderedDict[BlockId, Block] = OrderedDict()

    @property
    def enabled(self) -> bool:
        """Whether anything is kept."""
        return self._capacity > 0

    @property
    def nbytes(self) -> int:
        """What the blocks take."""
        return self._bytes

    def count(self, chain: Sequence[BlockId]) -> int:
        """How many blocks of a chain are stored, up to the first that is missing."""
        return next((index for index, block in enumerate(chain) if block not in self._blocks), len(chain))

    def find(self, chain: Sequence[BlockId]) -> list[Block]:
        """The stored blocks of a chain, up to the first that is missing."""
        found = chain[: self.count(chain)]
        self._touch(found)
        return [self._blocks[block] for block in found]

    def add(self, chain: Sequence[BlockId], blocks: Sequence[Block]) -> None:
        """Store the last blocks of a chain, of which the ones before are stored."""
        if not self.enabled or not blocks:
            return
        for key, block in zip(chain[-len(blocks) :], blocks, strict=True):
            self._bytes += block.nbytes
            self._blocks[key] = block
        self._touch(chain)
        while self._bytes > self._capacity:
            _, dropped = self._blocks.popitem(last=False)
            self._bytes -= dropped.nbytes
        self.generation += 1

    def _touch(self, chain: Sequence[BlockId]) -> None:
        # the first block last: it is dropped after those that follow it
        for key in reversed(chain):
            self._blocks.move_to_end(key)
