"""Prefix cache. Layers below the first adapted layer are shared by all adapters.

An adapter of a recipe with `frozenBelow` leaves the lower layers as they are in the base. Their keys and values, and
the hidden states that leave them, are the same for all such adapters. They are computed once; another adapter's row
takes them and joins its pass above.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from .adapter_source import AdapterSource
from .block_store import BLOCK, Block, BlockId, BlockStore, Root, Tokens, blocks_of, chain_of
from .kv_cache import KVCache, Slot


@dataclass(frozen=True)
class LayerSpan:
    """A range of layers in which a prompt's blocks have one root.

    Attributes:
        chain: the ids of the blocks.
        ends: where each block ends, in tokens of the prompt.
        below: whether the adapter begins above the span.
    """

    layers: slice
    chain: tuple[BlockId, ...]
    ends: tuple[int, ...]
    below: bool

    @classmethod
    def of(cls, layers: slice, root: Root, blocks: list[Tokens], *, below: bool) -> "LayerSpan":
        return cls(layers, tuple(chain_of(root, blocks)), tuple(accumulate(map(len, blocks))), below)

    def tokens(self, blocks: int) -> int:
        """The number of tokens in the first blocks."""
        return self.ends[blocks - 1] if blocks else 0


@dataclass(eq=False)
class Prompt:
    """What a row reads before its first output.

    Attributes:
        tokens: at least one.
        first_output: index of the first token whose final hidden state is needed.
        shared_layers: the layers below this number are cached for all adapters.
    """

    adapter: AdapterSource
    tokens: Tokens
    first_output: int
    shared_layers: int
    _cached: tuple[int, list[int]] | None = field(default=None, repr=False)

    @cached_property
    def spans(self) -> tuple[LayerSpan, ...]:
        """What may be cached, lowest layers first. A final hidden state needs a pass through the uppermost layers."""
        blocks, lowest = blocks_of(self.tokens[: self.first_output]), self.shared_layers
        upper = LayerSpan.of(slice(lowest, None), self.adapter.key, blocks, below=False)
        if not lowest:
            return (upper,)
        # the last token is left to compute: its final hidden state is needed
        lower = [*blocks, *blocks_of(self.tokens[self.first_output : -1])]
        return LayerSpan.of(slice(lowest), lowest, lower, below=True), upper

    def block_end(self, position: int) -> int:
        """The last end of a block up to a position."""
        if position >= len(self.tokens):
            return position
        start = self.first_output if position >= self.first_output else 0
        return start + (position - start) // BLOCK * BLOCK

    def cached(self, store: BlockStore) -> list[int]:
        """The number of cached tokens per span, looked up once per generation of the store."""
        if self._cached is None or self._cached[0] != store.generation:
            self._cached = store.generation, [span.tokens(store.count(span.chain)) for span in self.spans]
        return self._cached[1]


class PrefixCache:
    """Finds the cached part of prompts, loads it into slots, and stores what rows computed."""

    def __init__(self, layers: int, token_bytes: int, capacity_bytes: int) -> None:
        """For a base of `layers` layers with `token_bytes` of keys and values; a capacity of 0 caches nothing."""
        self._layers = layers
        self._store = BlockStore(capacity_bytes)
        self._max_tokens = capacity_bytes // token_bytes

    def boundary(self, prompt: Prompt) -> int:
        """The layer below which a prompt's hidden states are the base's and cached; 0 for none."""
        return prompt.shared_layers if self._store.enabled else 0

    def cost_above(self, prompt: Prompt) -> float:
        """The work of a token whose hidden state at the boundary is cached, in tokens that pass all layers."""
        return 1 - prompt.shared_layers / self._layers

    def uncached_tokens(self, prompt: Prompt) -> float:
        """The work that is left of a prompt, in tokens that pass all layers."""
        return self._uncached(prompt, prompt.cached(self._store))

    def uncached_tokens_after(self, prompt: Prompt, computed: Collection[BlockId]) -> float:
        """The same after other rows have computed these blocks."""
        lengths = [
            max(cached, span.tokens(_leading(span.chain, computed)))
            for span, cached in zip(prompt.spans, prompt.cached(self._store), strict=True)
        ]
        return self._uncached(prompt, lengths)

    def blocks(self, prompt: Prompt) -> Iterator[BlockId]:
        """What is cached once this prompt is computed; nothing of one that is too long to stay in the cache."""
        if len(prompt.tokens) <= self._max_tokens:
            for span in prompt.spans:
                yield from span.chain

    def load(self, prompt: Prompt, cache: KVCache, slot: Slot) -> Tensor | None:
        """Put the cached part of a prompt into an empty slot, and set the slot's length.

        Returns:
            For the tokens after the slot's length whose keys and values it holds below the boundary, their hidden
            states [n, hidden] at the boundary; None where there are none.
        """
        lengths: list[int] = []
        hidden: Tensor | None = None
        for span in prompt.spans:
            blocks = self._store.find(span.chain)
            lengths.append(span.tokens(len(blocks)))
            if blocks:
                cache.write(slot, torch.cat([block.kv for block in blocks], dim=3), span.layers)
            if span.below:
                cached = [block.hidden for block in blocks if block.hidden is not None]
                hidden = torch.cat(cached) if cached else None
        slot.length = min(lengths)
        return None if hidden is None or hidden.shape[0] <= slot.length else hidden[slot.length :]

    def store(self, prompt: Prompt, cache: KVCache, slot: Slot, past: int, hidden: Tensor | None) -> None:
        """Store what a slot holds of a prompt. `hidden` has its hidden states at the boundary from `past` on."""
        if not self._store.enabled:
            return
        for span in prompt.spans:
            known = self._store.count(span.chain)
            ends = [end for end in span.ends[known:] if end <= slot.length]
            start = span.tokens(known)
            if not ends or (span.below and (hidden is None or start < past)):
                continue
            kv = cache.read(slot, start, ends[-1], span.layers)
            blocks = [
                Block(
                    kv[:, :, :, first - start : end - start].clone(),
                    hidden[first - past : end - past].clone() if span.below and hidden is not None else None,
                )
                for first, end in pairwise([start, *ends])
            ]
            self._store.add(span.chain[: known + len(blocks)], blocks)

    def _uncached(self, prompt: Prompt, lengths: list[int]) -> float:
        """`lengths` has the number of cached tokens per span."""
        total = len(prompt.tokens)
        work = total * self._layers
        below = total
        for span, cached in zip(prompt.spans, lengths, strict=True):
            # what is cached above counts only as far as it is cached below
            below = min(below, cached)
            work -= below * len(range(self._layers)[span.layers])
        return work / self._layers


def _leading(chain: Collection[BlockId], computed: Collection[BlockId]) -> int:
    return next((index for index, block in enumerate(chain) if block not in computed), len(chain))
