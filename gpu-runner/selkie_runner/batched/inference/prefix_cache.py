"""What rows need not read: what was read with the same adapter, and below an adapter what was read with any.

An adapter that begins above the bottom, as those of a recipe with `frozenBelow` do, leaves the layers below as they
are in the base. Keys and values of those layers, and the states that leave them, are the same for all such adapters:
they are read once, and another adapter's row takes them and goes on from there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .adapter_source import AdapterSource
from .block_store import Block, BlockStore, Root, Tokens, blocks_of
from .kv_cache import KVCache

#: whose, and which tokens from the beginning
Prefix = tuple[Root, Tokens]


@dataclass(frozen=True)
class LayerSpan:
    """The pieces of a prompt in some adjoining layers.

    Attributes:
        root: whose they are.
        below: whether the adapter lies above.
    """

    layers: slice
    root: Root
    pieces: list[Tokens]
    below: bool


@dataclass(frozen=True)
class Prompt:
    """What a row reads before there is an answer.

    Attributes:
        tokens: at least one.
        wanted: the first of them whose final state is asked for.
    """

    adapter: AdapterSource
    tokens: Tokens
    wanted: int

    @cached_property
    def storeys(self) -> tuple[LayerSpan, ...]:
        """What may be known of it, bottom first: a final state needs the uppermost layers to be read."""
        key, lowest = self.adapter.key, self.adapter.lowest_layer
        pieces = blocks_of(self.tokens[: self.wanted])
        upper = LayerSpan(slice(lowest, None), key, pieces, below=False)
        if not lowest:
            return (upper,)
        # at least one token is left to read, so that every row is in every pass from its bottom
        return LayerSpan(slice(lowest), lowest, [*pieces, *blocks_of(self.tokens[self.wanted : -1])], below=True), upper


class PrefixCache:
    """Finds what is known of prompts, gives it to the slots that go on from there, and keeps what they read."""

    def __init__(self, layers: int, capacity_bytes: int) -> None:
        """`layers` of the base; up to `capacity_bytes` are kept, with 0 nothing is."""
        self._layers = layers
        self._cache = BlockStore(capacity_bytes)

    def boundary(self, prompt: Prompt) -> int:
        """The layer below which a prompt's states are the base's and kept; 0 where none are."""
        return prompt.adapter.lowest_layer if self._cache.enabled else 0

    def unread(self, prompt: Prompt) -> float:
        """What is left to read of a prompt, in tokens that are read in all layers."""
        return self._unread(prompt, self._known)

    def unread_after(self, prompt: Prompt, read: set[Prefix]) -> float:
        """The same after a pass in which others read these prefixes."""
        return self._unread(prompt, lambda storey: max(self._known(storey), _shared(storey, read)))

    def prefixes(self, prompt: Prompt) -> Iterator[Prefix]:
        """What others will know once this prompt is read."""
        if self._cache.enabled:
            for storey in prompt.storeys:
                yield from _prefixes(storey)

    def restore(self, prompt: Prompt, cache: KVCache, slot: int) -> tuple[int, Tensor | None]:
        """Put what is known of a prompt into a slot.

        Returns:
            How many positions the slot holds then in all layers, and of the tokens that follow the states [n, hidden]
            at the boundary, as far as the slot holds them below it.
        """
        lengths: list[int] = []
        states: Tensor | None = None
        for storey in prompt.storeys:
            found = self._cache.find(storey.root, storey.pieces)
            lengths.append(sum(piece.length for piece in found))
            if found:
                cache.write(slot, torch.cat([piece.kv for piece in found], dim=3), storey.layers)
            if storey.below:
                known = [piece.states for piece in found if piece.states is not None]
                states = torch.cat(known) if known else None
        whole = min(lengths)
        return whole, None if states is None else states[whole:]

    def keep(self, prompt: Prompt, cache: KVCache, slot: int, past: int, below: Tensor | None) -> None:
        """Keep what a slot holds of a prompt; `below` are its states at the boundary from position `past` on."""

        def copies(storey: LayerSpan) -> Callable[[int, int], Block | None]:
            def copy(start: int, stop: int) -> Block | None:
                if not storey.below:
                    return Block(cache.read(slot, start, stop, storey.layers))
                if below is None or start < past:
                    return None
                states = below[start - past : stop - past].clone()
                return Block(cache.read(slot, start, stop, storey.layers), states)

            return copy

        for storey in prompt.storeys:
            self._cache.add(storey.root, storey.pieces, copies(storey))

    def _unread(self, prompt: Prompt, known: Callable[[LayerSpan], int]) -> float:
        """`known` says how many of a storey's tokens are."""
        total = len(prompt.tokens)
        read = total * self._layers
        bottom = total
        for storey in prompt.storeys:
            # what is known above counts only as far as it is known below
            bottom = min(bottom, known(storey))
            read -= bottom * len(range(self._layers)[storey.layers])
        return read / self._layers

    def _known(self, storey: LayerSpan) -> int:
        return sum(piece.length for piece in self._cache.find(storey.root, storey.pieces))


def _prefixes(storey: LayerSpan) -> Iterator[Prefix]:
    prefix: Tokens = ()
    for piece in storey.pieces:
        prefix += piece
        yield storey.root, prefix


def _shared(storey: LayerSpan, read: set[Prefix]) -> int:
    """How many of a storey's tokens are among these prefixes."""
    shared = 0
    for prefix in _prefixes(storey):
        if prefix not in read:
            break
        shared = len(prefix[1])
    return shared
