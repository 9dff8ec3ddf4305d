"""Keys and values of what was read before, so that a prefix that prompts share is read once.

Kept in blocks of a few tokens, each known by the block before it and its own tokens, so that prompts share whatever
they begin with alike: an instruction, a document, a whole prompt that is answered several times and then scored.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from torch import Tensor

#: tokens of a block
BLOCK = 8

#: (id of the block before, or of the adapter; tokens)
_Key = tuple[int, tuple[int, ...]]


@dataclass(frozen=True)
class _Block:
    id: int
    kv: Tensor


class PromptCache:
    """Blocks [2, layers, kv heads, BLOCK, head dim], the least recently used ones dropped beyond a number of bytes.

    Adapters are named by keys that are never used for other weights, so nothing here is ever out of date.
    """

    def __init__(self, capacity_bytes: int) -> None:
        """Keep up to `capacity_bytes`; 0 keeps nothing."""
        self._capacity = capacity_bytes
        self._bytes = 0
        self._ids = count()
        self._roots: dict[str, int] = {}
        # least recently used first
        self._blocks: OrderedDict[_Key, _Block] = OrderedDict()

    @property
    def enabled(self) -> bool:
        """Whether anything is ever kept."""
        return self._capacity > 0

    def find(self, adapter: str, tokens: Sequence[int], most: int) -> list[Tensor]:
        """The blocks of the longest known prefix of `tokens` that is no longer than `most`."""
        found: list[tuple[_Key, _Block]] = []
        parent = self._roots.get(adapter)
        for start in range(0, most - BLOCK + 1, BLOCK):
            key = (-1 if parent is None else parent, tuple(tokens[start : start + BLOCK]))
            block = self._blocks.get(key)
            if block is None:
                break
            found.append((key, block))
            parent = block.id
        # the first blocks last: they are dropped after those that hang on them
        for key, _ in reversed(found):
            self._blocks.move_to_end(key)
        return [block.kv for _, block in found]

    def add(self, adapter: str, tokens: Sequence[int], read: Callable[[int, int], Tensor]) -> None:
        """Keep the whole blocks of `tokens`; `read(start, stop)` copies their keys and values."""
        if not self.enabled:
            return
        parent = self._roots.setdefault(adapter, next(self._ids))
        added: list[_Key] = []
        for start in range(0, len(tokens) - BLOCK + 1, BLOCK):
            key = (parent, tuple(tokens[start : start + BLOCK]))
            block = self._blocks.get(key)
            if block is None:
                block = _Block(next(self._ids), read(start, start + BLOCK))
                self._blocks[key] = block
                self._bytes += block.kv.nbytes
            added.append(key)
            parent = block.id
        for key in reversed(added):
            self._blocks.move_to_end(key)
        while self._bytes > self._capacity:
            _, dropped = self._blocks.popitem(last=False)
            self._bytes -= dropped.kv.nbytes
