"""Blocks of a few tokens' keys and values, found by the tokens before them.

A block is identified by its parent block and its tokens. So prompts share whatever they begin with: an instruction, a
document, a whole prompt that is answered several times and then scored.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from torch import Tensor

#: tokens per block; the last block before an answer may be shorter
BLOCK = 8

#: where a chain of blocks begins: an adapter's key, or a number N for all adapters that leave the layers below N alone
Root = str | int
Tokens = tuple[int, ...]


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


@dataclass(frozen=True)
class _Entry:
    id: int
    block: Block


#: the parent's id, and the block's tokens
_Key = tuple[int, Tokens]


def blocks_of(tokens: Sequence[int]) -> list[Tokens]:
    """The tokens, `BLOCK` at a time."""
    return [tuple(tokens[start : start + BLOCK]) for start in range(0, len(tokens), BLOCK)]


class BlockStore:
    """Blocks up to a number of bytes; beyond it the least recently used are dropped.

    Nothing here is ever out of date: an adapter's key is never used for other weights.
    """

    def __init__(self, capacity_bytes: int) -> None:
        """Keep up to `capacity_bytes`; with 0 nothing is kept."""
        self._capacity = capacity_bytes
        self._bytes = 0
        self._ids = count()
        self._roots: dict[Root, int] = {}
        # least recently used first
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()

    @property
    def enabled(self) -> bool:
        """Whether anything is kept."""
        return self._capacity > 0

    def find(self, root: Root, chain: Sequence[Tokens]) -> list[Block]:
        """The stored blocks of a chain, up to the first that is missing."""
        found: list[tuple[_Key, _Entry]] = []
        parent = self._roots.get(root, -1)
        for tokens in chain:
            entry = self._entries.get((parent, tokens))
            if entry is None:
                break
            found.append(((parent, tokens), entry))
            parent = entry.id
        self._touch([key for key, _ in found])
        return [entry.block for _, entry in found]

    def add(self, root: Root, chain: Sequence[Tokens], copy: Callable[[int, int], Block | None]) -> None:
        """Store the blocks of a chain, up to the first for which `copy(start, stop)` has nothing."""
        if not self.enabled:
            return
        parent = self._roots.setdefault(root, next(self._ids))
        keys: list[_Key] = []
        start = 0
        for tokens in chain:
            key, stop = (parent, tokens), start + len(tokens)
            entry = self._entries.get(key)
            if entry is None:
                block = copy(start, stop)
                if block is None:
                    break
                entry = self._entries[key] = _Entry(next(self._ids), block)
                self._bytes += block.nbytes
            keys.append(key)
            parent, start = entry.id, stop
        self._touch(keys)
        while self._bytes > self._capacity:
            _, dropped = self._entries.popitem(last=False)
            self._bytes -= dropped.block.nbytes

    def _touch(self, chain: Sequence[_Key]) -> None:
        # the first block last: it is dropped after those that follow it
        for key in reversed(chain):
            self._entries.move_to_end(key)
