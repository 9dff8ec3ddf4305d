"""Answers and scores for many adapters at once: rows join and leave at any step, whatever adapter each is for.

Every pass reads one token of each answer under way and, beside them, the prompts of rows that have just joined, so the
base's weights are gone through once for all. What prompts share is read once (`recall.py`).
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ...errors import Diverged
from ...hardware import available_bytes, memory_errors
from ...rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow, TokenLogprob
from ...rows.sampling import Completion, StopConditions, append_tokens, token_logprobs
from ..base import MAX_LOGITS, FrozenBase
from ..kernels.elementwise import statistics_dtype
from ..kernels.products import times_transposed
from ..lora.frozen import FrozenAdapter
from .adapter_source import BASE, AdapterSource
from .block_store import BLOCK
from .forward import ForwardRow, HiddenStates, forward
from .kv_cache import KVCache
from .prefix_cache import Prefix, PrefixCache, Prompt

#: prompt tokens of a pass: on a CPU few, because a training step waits for a pass to end
_PROMPT_TOKENS = {"cpu": 256, "cuda": 8192}
#: of what is free when the decoder is made
_LIVE_SHARE, _PROMPT_SHARE = 8, 32
_LARGEST_PROMPT_CACHE = 2**29
#: a row waits a pass for others that save it so many tokens
_WORTH_WAITING = 2 * BLOCK


@dataclass
class _Row:
    """A row that was asked for; `answer` is None for a score. The rest is of use once it holds a slot."""

    asked: DecodeRow | ScoreRow
    prompt: Prompt
    future: Future[Any]
    answer: Completion | None
    held: ExitStack = field(default_factory=ExitStack)
    layers: tuple[FrozenAdapter, ...] = ()
    #: positions that its slot holds in all layers
    length: int = 0
    came: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, asked: DecodeRow | ScoreRow, adapter: AdapterSource, future: Future[Any]) -> "_Row":
        if isinstance(asked, DecodeRow):
            return cls(asked, Prompt(adapter, asked.prompt, len(asked.prompt) - 1), future, Completion.begin(asked))
        # nothing is asked after the last token of a score
        return cls(asked, Prompt(adapter, asked.tokens[:-1], asked.start - 1), future, None)

    @property
    def reads_prompt(self) -> bool:
        """Whether its prompt is still to be read."""
        return self.answer is None or not self.answer.tokens

    @property
    def most_length(self) -> int:
        """Positions that its slot may come to hold."""
        return len(self.prompt.tokens) + (self.asked.max_tokens if isinstance(self.asked, DecodeRow) else 0)

    def reading(self) -> ForwardRow:
        """What it reads after its prompt: the last token of its answer."""
        assert self.answer is not None
        return ForwardRow(self.answer.tokens[-1:], self.length, 0, self.prompt.adapter.key, self.layers)


class InferenceEngine:
    """Answers and scores rows for many adapters on one frozen base.

    `generate` and `score` may be called from any thread; `step` only from the one that owns the device. Cancelling a
    future drops its row at the next step.

    Attributes:
        tokens_read: tokens that went through the base so far; of one that was known up to some layer, what was left.
    """

    def __init__(
        self,
        decoder: FrozenBase,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        rows: int = 64,
        prompt_tokens: int | None = None,
        prompt_cache_bytes: int | None = None,
        ends: bool = True,
    ) -> None:
        """Share the base's weights.

        Args:
            rows: at most so many share a pass. With 1 every row is computed alone, without what others have read, and
                its answer repeats bit for bit.
            prompt_tokens: of the rows that join in one pass.
            prompt_cache_bytes: what is kept of prompts that were read.
            ends: whether the model's end tokens end an answer; for measuring, where every answer is to be as long.
        """
        available = available_bytes(decoder.device)
        if prompt_cache_bytes is None:
            prompt_cache_bytes = min(_LARGEST_PROMPT_CACHE, available // _PROMPT_SHARE)
        self._decoder = decoder
        self._endings = StopConditions(model, tokenizer, ends=ends)
        self._most_rows = rows
        self._prompt_tokens = prompt_tokens or _PROMPT_TOKENS.get(decoder.device.type, 256)
        self._cache = KVCache(decoder, available // _LIVE_SHARE)
        self._recall = PrefixCache(len(decoder.layers), prompt_cache_bytes if rows > 1 else 0)
        self._lock = threading.Lock()
        self._waiting: deque[_Row] = deque()
        #: row i holds slot i of the cache
        self._active: list[_Row] = []
        self.tokens_read = 0.0

    @property
    def idle(self) -> bool:
        """Whether no row waits or is under way."""
        with self._lock:
            return not self._active and not self._waiting

    def waiting(self) -> list[float]:
        """When each row came that is still to join, by `time.monotonic`; the oldest first."""
        with self._lock:
            return [row.came for row in self._waiting if not row.future.cancelled()]

    def generate(self, rows: Sequence[DecodeRow], adapter: AdapterSource = BASE) -> list[Future[DecodedRow]]:
        """Queue rows to answer. A future becomes the answer, or the error that this row met."""
        futures: list[Future[DecodedRow]] = [Future() for _ in rows]
        self._queue([_Row.of(row, adapter, future) for row, future in zip(rows, futures, strict=True)])
        return futures

    def score(self, rows: Sequence[ScoreRow], adapter: AdapterSource = BASE) -> list[Future[ScoredRow]]:
        """Queue rows to score."""
        futures: list[Future[ScoredRow]] = [Future() for _ in rows]
        self._queue([_Row.of(row, adapter, future) for row, future in zip(rows, futures, strict=True)])
        return futures

    @torch.no_grad()
    def step(self) -> bool:
        """One pass; false where there was nothing to do. Never raises for a row's sake: its future has the error."""
        self._drop_cancelled()
        joining = self._join()
        rows = [*self._active, *(row for part in joining for row in part)]
        if not rows:
            return False
        try:
            with memory_errors("decoding"):
                self._cache.reserve(len(rows), max(row.most_length for row in rows), used=len(self._active))
                readings = [[row.reading() for row in self._active], *self._begin(joining)]
                states = forward(self._decoder, self._cache, readings)
                self._active = rows
                self._take([reading for part in readings for reading in part], states)
        except Exception as error:
            self._active = []
            self._cache.drop()
            for row in rows:
                _fail(row, error)
        return True

    def abandon(self, error: Exception) -> None:
        """End every row with `error`: nobody will call `step` again for what is here now. The device's thread only."""
        with self._lock:
            rows = [*self._active, *self._waiting]
            self._active, self._waiting = [], deque()
        for row in rows:
            _fail(row, error)

    def _queue(self, rows: list[_Row]) -> None:
        with self._lock:
            self._waiting.extend(rows)

    def _drop_cancelled(self) -> None:
        for slot in reversed(range(len(self._active))):
            if self._active[slot].future.cancelled():
                self._leave(slot)

    def _join(self) -> tuple[list[_Row], list[_Row]]:
        """The rows that join this pass, answers and scores, in the order of their coming as far as there is room.

        A row whose prefix another one reads in this pass waits for it.
        """
        joined: list[_Row] = []
        tokens = 0.0
        length = max((row.most_length for row in self._active), default=0)
        read_now: set[Prefix] = set()
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            while waiting:
                row = waiting.popleft()
                if row.future.cancelled():
                    continue
                if not row.prompt.tokens:
                    _settle(row.future, [None])
                    continue
                unread = self._recall.unread(row.prompt)
                if unread - self._recall.unread_after(row.prompt, read_now) >= _WORTH_WAITING:
                    self._waiting.append(row)
                    continue
                longest = max(length, row.most_length)
                if not self._room(len(joined), tokens + unread, longest):
                    self._waiting.append(row)
                    break
                joined.append(row)
                tokens, length = tokens + unread, longest
                read_now.update(self._recall.prefixes(row.prompt))
            self._waiting.extend(waiting)
        held = [row for row in joined if _hold(row)]
        return [row for row in held if row.answer is not None], [row for row in held if row.answer is None]

    def _room(self, joined: int, tokens: float, length: int) -> bool:
        """Whether one more row fits beside those under way and `joined` others, with whose prompts it has `tokens`.

        A prompt that is longer than a pass should be is read when no other one is. A row alone always fits.
        """
        rows = len(self._active) + joined
        if not rows:
            return True
        fits = not joined or tokens <= self._prompt_tokens
        return fits and rows < self._most_rows and self._cache.fits(rows + 1, length)

    def _begin(self, joining: Sequence[Sequence[_Row]]) -> list[list[ForwardRow]]:
        """What joining rows read of their prompts, after what is known of them."""
        slots = count(len(self._active))
        return [[self._reading(row, next(slots)) for row in part] for part in joining]

    def _reading(self, row: _Row, slot: int) -> ForwardRow:
        prompt = row.prompt
        row.length, known = self._recall.restore(prompt, self._cache, slot)
        return ForwardRow(
            prompt.tokens[row.length :],
            row.length,
            prompt.wanted - row.length,
            prompt.adapter.key,
            row.layers,
            self._recall.boundary(prompt),
            known,
        )

    def _take(self, readings: Sequence[ForwardRow], states: Sequence[HiddenStates]) -> None:
        """Give each row what its states say, and let those that are finished leave."""
        for slot, (row, reading, found) in enumerate(zip(self._active, readings, states, strict=True)):
            self.tokens_read += reading.cost(len(self._decoder.layers))
            row.length = reading.length
            if row.reads_prompt:
                self._recall.keep(row.prompt, self._cache, slot, reading.past, found.at_boundary)
        answering = [slot for slot, row in enumerate(self._active) if row.answer is not None]
        finished = self._answer(answering, [states[slot].final for slot in answering])
        for slot, row in enumerate(self._active):
            if row.answer is None:
                finished[slot] = self._scored(row, states[slot].final)
        for slot in sorted(finished, reverse=True):
            row, outcome = self._active[slot], finished[slot]
            if isinstance(outcome, Diverged):
                self._cache.clear(slot)
            self._leave(slot)
            _settle(row.future, outcome)

    def _answer(self, slots: Sequence[int], states: Sequence[Tensor]) -> dict[int, DecodedRow | ScoredRow | Diverged]:
        """Extend the answers in these slots; what each has come to, where it is finished."""
        if not slots:
            return {}
        logits = self._logits(torch.cat(list(states)))
        finite = logits.amax(-1).isfinite().tolist()
        finished: dict[int, DecodedRow | ScoredRow | Diverged] = {
            slot: _not_finite() for slot, good in zip(slots, finite, strict=True) if not good
        }
        answers = {slot: answer for slot in slots if (answer := self._active[slot].answer) is not None}
        good = [at for at, slot in enumerate(slots) if slot not in finished]
        append_tokens([answers[slots[at]] for at in good], logits if len(good) == len(slots) else logits[good])
        for at in good:
            done = self._endings.finished(answers[slots[at]])
            if done is not None:
                finished[slots[at]] = done
        return finished

    def _scored(self, row: _Row, states: Tensor) -> ScoredRow | Diverged:
        asked = row.asked
        assert isinstance(asked, ScoreRow)
        found: list[TokenLogprob] = []
        at_once = max(1, MAX_LOGITS // self._decoder.head.shape[0])
        for first in range(0, states.shape[0], at_once):
            part = states[first : first + at_once]
            logits = self._logits(part)
            if not bool(logits.isfinite().all()):
                return _not_finite()
            targets = asked.tokens[asked.start + first : asked.start + first + part.shape[0]]
            found += token_logprobs(logits, targets, asked.top_logprobs)
        return [*([None] * asked.start), *found]

    def _logits(self, states: Tensor) -> Tensor:
        logits = times_transposed(states, self._decoder.head, self._decoder.packed_head)
        return logits.to(statistics_dtype(states.dtype))

    def _leave(self, slot: int) -> None:
        """Free a slot; the row of the last one moves into it."""
        self._active[slot].held.close()
        last = self._active.pop()
        if slot < len(self._active):
            self._cache.move(len(self._active), slot, last.length)
            self._active[slot] = last


def _hold(row: _Row) -> bool:
    """Have the row's adapter on the device; false where it could not be had, which its future says."""
    try:
        row.layers = tuple(row.held.enter_context(row.prompt.adapter.hold()))
    except Exception as error:
        _fail(row, error)
        return False
    return True


def _settle(future: Future[Any], outcome: object) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _fail(row: _Row, error: Exception) -> None:
    row.held.close()
    if not row.future.done():
        _settle(row.future, error)


def _not_finite() -> Diverged:
    return Diverged("the model computes no finite numbers with this adapter")
