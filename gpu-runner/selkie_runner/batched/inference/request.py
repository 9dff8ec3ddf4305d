"""A row that the engine was asked to answer or score, and the future that gets the outcome."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ...rows import DecodeRow, ScoreRow, TokenLogprob
from ...rows.completion import Completion
from ..lora.frozen import FrozenAdapter
from .adapter_source import AdapterSource
from .forward import ForwardRow
from .kv_cache import Slot
from .prefix_cache import Prompt

#: In deterministic mode a prompt is computed in tiles of this many tokens, each from a multiple of it on and each in
#: separate products. A multiple of the blocks' size, and a divisor of the slots' lengths.
TILE = 32


@dataclass(eq=False)
class Request:
    """One row, waiting or in progress.

    Its tokens are those of the prompt and those of the answer so far; the first `computed` of them have keys and values
    in its slot. A row that lost its slot starts again, with the answer that it has.

    Attributes:
        answer: what was generated so far; None for a score.
        deterministic: compute it in pieces that depend on nothing but the row.
        layers: of its adapter, while `acquire_adapter` holds them.
        slot: None while it waits.
        cached_hidden: of the tokens after the computed ones, as `ForwardRow` has it.
        scores: found so far.
        arrived: by `time.monotonic`.
    """

    row: DecodeRow | ScoreRow
    prompt: Prompt
    future: Future[Any]
    answer: Completion | None
    deterministic: bool
    layers: tuple[FrozenAdapter, ...] = ()
    slot: Slot | None = None
    cached_hidden: Tensor | None = None
    scores: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    arrived: float = field(default_factory=time.monotonic)
    _held: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def answering(
        cls, answer: Completion, future: Future[Any], adapter: AdapterSource, *, deterministic: bool
    ) -> "Request":
        tokens = answer.row.prompt
        prompt = Prompt(adapter, tokens, len(tokens) - 1, _shared_layers(adapter, deterministic=deterministic))
        return cls(answer.row, prompt, future, answer, deterministic)

    @classmethod
    def scoring(cls, row: ScoreRow, future: Future[Any], adapter: AdapterSource, *, deterministic: bool) -> "Request":
        # nothing is predicted after the last token of a score
        shared_layers = _shared_layers(adapter, deterministic=deterministic)
        return cls(row, Prompt(adapter, row.tokens[:-1], row.start - 1, shared_layers), future, None, deterministic)

    @property
    def length(self) -> int:
        """Its tokens."""
        return len(self.prompt.tokens) + (0 if self.answer is None else len(self.answer.tokens))

    @property
    def max_length(self) -> int:
        """Its tokens at most."""
        return len(self.prompt.tokens) + (self.row.max_tokens if isinstance(self.row, DecodeRow) else 0)

    @property
    def computed(self) -> int:
        return 0 if self.slot is None else self.slot.length

    @property
    def in_prefill(self) -> bool:
        """Whether more than the last token of its answer is to be computed."""
        return self.answer is None or not self.answer.tokens or self.computed < self.length - 1

    @property
    def cached_tokens(self) -> int:
        """Tokens after the computed ones whose lower layers are cached."""
        return 0 if self.cached_hidden is None else self.cached_hidden.shape[0]

    def take_cached(self, hidden: Tensor | None) -> None:
        """Begin after what was loaded into the slot."""
        assert self.slot is not None
        self.cached_hidden = hidden
        if self.deterministic and self.computed < self._tiled:
            self.slot.length -= self.computed % TILE

    def advance(self, end: int) -> None:
        """Note that all tokens up to `end` are computed."""
        assert self.slot is not None
        hidden, count = self.cached_hidden, end - self.computed
        self.cached_hidden = None if hidden is None or hidden.shape[0] <= count else hidden[count:]
        self.slot.length = end

    def end_of_chunk(self, tokens: int) -> int:
        """How many tokens are computed once a pass has computed at most `tokens` more."""
        end = min(self.computed + tokens, self.length)
        if not self.deterministic:
            # what ends within a block would not be cached
            return max(self.computed, self.prompt.block_end(end))
        tiled = self._tiled
        if self.computed >= tiled:
            return min(end, self.computed + 1)
        return tiled if end >= tiled else max(self.computed, end // TILE * TILE)

    def forward_rows(self, end: int, boundary: int) -> Iterator[ForwardRow]:
        """What a pass computes to have all tokens up to `end`; in deterministic mode each row is a pass."""
        step = TILE if self.deterministic else end - self.computed
        for start in range(self.computed, end, step):
            yield self._forward_row(start, min(start + step, end), boundary)

    def acquire_adapter(self) -> bool:
        """Have its adapter on the device. False if that failed; the future then has the error."""
        try:
            self.layers = tuple(self._held.enter_context(self.prompt.adapter.hold()))
        except Exception as error:
            self.fail(error)
            return False
        return True

    def release_adapter(self) -> None:
        """Let the device drop its adapter."""
        self._held.close()
        self.layers = ()

    def resolve(self, outcome: object) -> None:
        """Give the future its result, or its error where `outcome` is one."""
        if not self.future.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)

    def fail(self, error: Exception) -> None:
        """Release the adapter and give the future an error, unless it is done."""
        self.release_adapter()
        if not self.future.done():
            self.resolve(error)

    @property
    def _tiled(self) -> int:
        """The tokens that are computed in tiles: those of an answer, from the first output on, come one by one."""
        return self.prompt.first_output if self.answer is not None else self.length

    def _forward_row(self, start: int, end: int, boundary: int) -> ForwardRow:
        assert self.slot is not None
        tokens = self._tokens(start, end)
        padding = TILE - len(tokens) if self.deterministic and start < self._tiled else 0
        first_output = self.prompt.first_output if self.answer is None else self.length - 1
        return ForwardRow(
            tokens=[*tokens, *[0] * padding],
            slot=self.slot,
            past=start,
            first_output=min(max(0, first_output - start), len(tokens)),
            adapter=self.prompt.adapter.key,
            layers=self.layers,
            boundary=boundary if start < len(self.prompt.tokens) else 0,
            cached_hidden=None if self.cached_hidden is None else self.cached_hidden[: len(tokens)],
            padding=padding,
        )

    def _tokens(self, start: int, end: int) -> list[int]:
        prompt = self.prompt.tokens
        answer = [] if self.answer is None else self.answer.tokens
        return [*prompt[start:end], *answer[max(0, start - len(prompt)) : max(0, end - len(prompt))]]


def _shared_layers(adapter: AdapterSource, *, deterministic: bool) -> int:
    # what a row takes from another adapter's was computed in other pieces
    return 0 if deterministic else adapter.lowest_layer
