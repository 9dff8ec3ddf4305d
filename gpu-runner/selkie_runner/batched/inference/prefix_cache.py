"""Prefix cache. Layers below the first adapted layer are shared by all adapters.

An adapter of a recipe with `frozenBelow` leaves the lower layers as they are in the base. Their keys and values, and
the hidden states that leave them, are the same for all such adapters. They are computed once; another adapter's row
takes them and joins its pass above.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .adapter_source import AdapterSource
from .block_store import Block, BlockStore, Root, Tokens, blocks_of
from .kv_cache import KVCache

#: the tokens of a prompt's beginning, under the root of their blocks
Prefix = tuple[Root, Tokens]


@dataclass(frozen=True)
class LayerSpan:
    """A range of layers in which a prompt's blocks have one root.

    Attributes:
        root: an adapter's key, or the number of the first layer above the span.
        chain: the tokens of the blocks.
        below: whether the adapter begins above the span.
    """

    layers: slice
    root: Root
    chain: list[Tokens]
    below: bool


@dataclass(frozen=True)
class Prompt:
    """What a row reads before its first output.

    Attributes:
        tokens: at least one.
        first_output: index of the first token whose final hidden state is needed.
    """

    adapter: AdapterSource
    tokens: Tokens
    first_output: int

    @cached_property
    def spans(self) -> tuple[LayerSpan, ...]:
        """What may be cached, lowest layers first. A final hidden state needs a pass through the uppermost layers."""
        key, lowest = self.adapter.key, self.adapter.lowest_layer
        chain = blocks_of(self.tokens[: self.first_output])
        upper = LayerSpan(slice(lowest, None), key, chain, below=False)
        if not lowest:
            return (upper,)
        # at least one token is left to compute, so that every row is in every pass from layer 0
        lower = [*chain, *blocks_of(self.tokens[self.first_output : -1])]
        return LayerSpan(slice(lowest), lowest, lower, below=True), upper


class PrefixCache:
    """Finds the cached part of prompts, loads it into slots, and stores what rows computed."""

    def __init__(self, layers: int, capacity_bytes: int) -> None:
        """For a base of `layers` layers; with a capacity of 0 nothing is cached."""
        self._layers = layers
        self._store = BlockStore(capacity_bytes)

    def boundary(self, prompt: Prompt) -> int:
        """The layer below which a prompt's hidden states are the base's and cached; 0 for none."""
        return prompt.adapter.lowest_layer if self._store.enabled else 0

    def uncached_tokens(self, prompt: Prompt) -> float:
        """The work that is left of a prompt, in tokens that pass all layers."""
        return self._uncached(prompt, self._cached)

    def uncached_tokens_after(self, prompt: Prompt, prefixes: set[Prefix]) -> float:
        """The same after a pass in which other rows compute these prefixes."""
        return self._uncached(prompt, lambda span: max(self._cached(span), _shared(span, prefixes)))

    def prefixes(self, prompt: Prompt) -> Iterator[Prefix]:
        """What is cached once this prompt is computed."""
        if self._store.enabled:
            for span in prompt.spans:
                yield from _prefixes(span)

    def load(self, prompt: Prompt, cache: KVCache, slot: int) -> tuple[int, Tensor | None]:
        """Put the cached part of a prompt into a slot.

        Returns:
            The number of positions that the slot then holds in all layers; and, for the tokens after these whose keys
            and values it holds below the boundary, their hidden states [n, hidden] at the boundary.
        """
        lengths: list[int] = []
        hidden: Tensor | None = None
        for span in prompt.spans:
            blocks = self._store.find(span.root, span.chain)
            lengths.append(sum(block.length for block in blocks))
            if blocks:
                cache.write(slot, torch.cat([block.kv for block in blocks], dim=3), span.layers)
            if span.below:
                cached = [block.hidden for block in blocks if block.hidden is not None]
                hidden = torch.cat(cached) if cached else None
        whole = min(lengths)
        return whole, None if hidden is None else hidden[whole:]

    def store(self, prompt: Prompt, cache: KVCache, slot: int, past: int, hidden: Tensor | None) -> None:
        """Store a slot's part of a prompt. `hidden` has its hidden states at the boundary from position `past` on."""

        def copy_from(span: LayerSpan) -> Callable[[int, int], Block | None]:
            def copy(start: int, stop: int) -> Block | None:
                if not span.below:
                    return Block(cache.read(slot, start, stop, span.layers))
                if hidden is None or start < past:
                    return None
                return Block(cache.read(slot, start, stop, span.layers), hidden[start - past : stop - past].clone())

            return copy

        for span in prompt.spans:
            self._store.add(span.root, span.chain, copy_from(span))

    def _uncached(self, prompt: Prompt, cached: Callable[[LayerSpan], int]) -> float:
        """`cached` gives a span's number of cached tokens."""
        total = len(prompt.tokens)
        work = total * self._layers
        below = total
        for span in prompt.spans:
            # what is cached above counts only as far as it is cached below
            below = min(below, cached(span))
            work -= below * len(range(self._layers)[span.layers])
        return work / self._layers

    def _cached(self, span: LayerSpan) -> int:
        return sum(block.length for block in self._store.find(span.root, span.chain))


def _prefixes(span: LayerSpan) -> Iterator[Prefix]:
    prefix: Tokens = ()
    for tokens in span.chain:
        prefix += tokens
        yield span.root, prefix


def _shared(span: LayerSpan, prefixes: set[Prefix]) -> int:
    """The number of a span's leading tokens that are among these prefixes."""
    shared = 0
    for prefix in _prefixes(span):
        if prefix not in prefixes:
            break
        shared = len(prefix[1])
    return shared
