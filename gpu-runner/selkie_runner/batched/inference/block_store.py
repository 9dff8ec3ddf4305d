"""What was read before, in pieces of a few tokens, so that what prompts begin with alike is read once.

A piece is known by the piece before it and its own tokens, so that prompts share whatever they begin with alike: an
instruction, a document, a whole prompt that is answered several times and then scored.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from torch import Tensor

#: tokens of a piece, except of the last one before an answer
BLOCK = 8

#: whose pieces: an adapter's, by its key, or those of every adapter that has nothing below a layer, by its number
Root = str | int
Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """What reading some adjoining tokens left behind.

    Attributes:
        kv: [2, layers, kv heads, tokens, head dim] keys and values.
        states: [tokens, hidden] what left the last of these layers; None where these are all there are.
    """

    kv: Tensor
    states: Tensor | None = None

    @property
    def length(self) -> int:
        """How many tokens."""
        return self.kv.shape[3]

    @property
    def nbytes(self) -> int:
        return self.kv.nbytes + (0 if self.states is None else self.states.nbytes)


@dataclass(frozen=True)
class _Entry:
    id: int
    piece: Block


def blocks_of(tokens: Sequence[int]) -> list[Tokens]:
    """Tokens in pieces of `BLOCK`, the last one maybe shorter."""
    return [tuple(tokens[start : start + BLOCK]) for start in range(0, len(tokens), BLOCK)]


class BlockStore:
    """Pieces, the least recently used ones dropped beyond a number of bytes.

    Adapters are named by keys that are never used for other weights, so nothing here is ever out of date.
    """

    def __init__(self, capacity_bytes: int) -> None:
        """Keep up to `capacity_bytes`; 0 keeps nothing."""
        self._capacity = capacity_bytes
        self._bytes = 0
        self._ids = count()
        self._roots: dict[Root, int] = {}
        # by (id of the piece before, or of the root; tokens), least recently used first
        self._pieces: OrderedDict[tuple[int, Tokens], _Entry] = OrderedDict()

    @property
    def enabled(self) -> bool:
        """Whether anything is ever kept."""
        return self._capacity > 0

    def find(self, root: Root, pieces: Sequence[Tokens]) -> list[Block]:
        """What is known of the first of these pieces, up to the first that is not."""
        found: list[tuple[tuple[int, Tokens], _Entry]] = []
        parent = self._roots.get(root)
        for tokens in pieces:
            key = (-1 if parent is None else parent, tokens)
            kept = self._pieces.get(key)
            if kept is None:
                break
            found.append((key, kept))
            parent = kept.id
        # the first pieces last: they are dropped after those that hang on them
        for key, _ in reversed(found):
            self._pieces.move_to_end(key)
        return [kept.piece for _, kept in found]

    def add(self, root: Root, pieces: Sequence[Tokens], read: Callable[[int, int], Block | None]) -> None:
        """Keep these pieces, up to the first of which `read(start, stop)` has no copy."""
        if not self.enabled:
            return
        parent = self._roots.setdefault(root, next(self._ids))
        added: list[tuple[int, Tokens]] = []
        start = 0
        for tokens in pieces:
            key, stop = (parent, tokens), start + len(tokens)
            kept = self._pieces.get(key)
            if kept is None:
                piece = read(start, stop)
                if piece is None:
                    break
                kept = _Entry(next(self._ids), piece)
                self._pieces[key] = kept
                self._bytes += piece.nbytes
            added.append(key)
            parent, start = kept.id, stop
        for key in reversed(added):
            self._pieces.move_to_end(key)
        while self._bytes > self._capacity:
            _, dropped = self._pieces.popitem(last=False)
            self._bytes -= dropped.piece.nbytes
