"""Continuous batching across adapters: rows join and leave at any step, each for any adapter.

Every pass computes one token of each answer in progress, and the prompts of rows that have just joined. So the base's
weights are read once for all of them. What prompts share is computed once (`prefix_cache.py`).
"""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import count

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ...errors import Diverged
from ...hardware import available_bytes, memory_errors
from ...rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow, TokenLogprob
from ...rows.sampler import Sampler, not_finite
from ...rows.sampling import token_logprobs
from ..base import MAX_LOGITS, FrozenBase
from ..kernels.elementwise import statistics_dtype
from ..kernels.products import times_transposed
from .adapter_source import BASE, AdapterSource
from .block_store import BLOCK
from .forward import ForwardRow, HiddenStates, forward
from .kv_cache import KVCache
from .prefix_cache import Prefix, PrefixCache
from .request import Request

#: prompt tokens per pass; few on a CPU, where a training step waits for the pass to end
_PROMPT_TOKENS = {"cpu": 256, "cuda": 8192}
#: each cache takes at most 1/N of the memory that is free when the engine is made
_KV_CACHE_SHARE, _PREFIX_CACHE_SHARE = 8, 32
_MAX_PREFIX_CACHE_BYTES = 2**29
#: a row waits a pass for other rows that save it at least this many tokens
_WORTH_WAITING = 2 * BLOCK

_Outcome = DecodedRow | ScoredRow | Diverged


class InferenceEngine:
    """Answers and scores rows for many adapters on one frozen base.

    `generate` and `score` may be called from any thread; `step` only from the thread that owns the device. Cancelling
    a future drops its row at the next step.

    Attributes:
        computed_tokens: work so far, in tokens that passed all layers.
    """

    def __init__(
        self,
        base: FrozenBase,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        rows: int = 64,
        prompt_tokens: int | None = None,
        prefix_cache_bytes: int | None = None,
        ends: bool = True,
    ) -> None:
        """Share the base's weights.

        Args:
            rows: maximum per pass. With 1 every row is computed alone, without the prefix cache, and its answer repeats
                bit for bit.
            prompt_tokens: maximum of the rows that join in one pass.
            ends: whether the model's end tokens end an answer; benchmarks need answers of one length.
        """
        available = available_bytes(base.device)
        if prefix_cache_bytes is None:
            prefix_cache_bytes = min(_MAX_PREFIX_CACHE_BYTES, available // _PREFIX_CACHE_SHARE)
        self._base = base
        self._sampler = Sampler(model, tokenizer, ends=ends)
        self._max_rows = rows
        self._prompt_tokens = prompt_tokens or _PROMPT_TOKENS.get(base.device.type, 256)
        self._kv_cache = KVCache(base, available // _KV_CACHE_SHARE)
        self._prefix_cache = PrefixCache(len(base.layers), prefix_cache_bytes if rows > 1 else 0)
        self._lock = threading.Lock()
        self._waiting: deque[Request] = deque()
        #: request i has slot i of the KV cache
        self._active: list[Request] = []
        self.computed_tokens = 0.0

    @property
    def idle(self) -> bool:
        """Whether no row waits or is in progress."""
        with self._lock:
            return not self._active and not self._waiting

    def waiting(self) -> list[float]:
        """When each waiting row arrived, by `time.monotonic`; the oldest first."""
        with self._lock:
            return [request.arrived for request in self._waiting if not request.future.cancelled()]

    def generate(self, rows: Sequence[DecodeRow], adapter: AdapterSource = BASE) -> list[Future[DecodedRow]]:
        """Queue rows to answer. Each future gets its row's answer or error."""
        futures: list[Future[DecodedRow]] = [Future() for _ in rows]
        answers = map(self._sampler.begin, rows)
        self._queue([Request.answering(*one, adapter) for one in zip(answers, futures, strict=True)])
        return futures

    def score(self, rows: Sequence[ScoreRow], adapter: AdapterSource = BASE) -> list[Future[ScoredRow]]:
        """Queue rows to score. Each future gets its row's log-probabilities or error."""
        futures: list[Future[ScoredRow]] = [Future() for _ in rows]
        self._queue([Request.scoring(*one, adapter) for one in zip(rows, futures, strict=True)])
        return futures

    @torch.no_grad()
    def step(self) -> bool:
        """Run one pass; false if there is nothing to do. An error goes to the rows' futures and is not raised."""
        self._drop_cancelled()
        joining = self._join()
        requests = [*self._active, *(request for part in joining for request in part)]
        if not requests:
            return False
        try:
            with memory_errors("decoding"):
                length = max(request.max_length for request in requests)
                self._kv_cache.reserve(len(requests), length, used=len(self._active))
                parts = [[request.decode_row() for request in self._active], *self._prefill_rows(joining)]
                states = forward(self._base, self._kv_cache, parts)
                self._active = requests
                self._process([row for part in parts for row in part], states)
        except Exception as error:
            self._active = []
            self._kv_cache.drop()
            for request in requests:
                request.fail(error)
        return True

    def abandon(self, error: Exception) -> None:
        """Fail every row: `step` will not be called again for those that are here now. On the device's thread only."""
        with self._lock:
            requests = [*self._active, *self._waiting]
            self._active, self._waiting = [], deque()
        for request in requests:
            request.fail(error)

    def _queue(self, requests: list[Request]) -> None:
        with self._lock:
            self._waiting.extend(requests)

    def _drop_cancelled(self) -> None:
        for slot in reversed(range(len(self._active))):
            if self._active[slot].future.cancelled():
                self._free(slot)

    def _join(self) -> tuple[list[Request], list[Request]]:
        """Move waiting requests into this pass, in order of arrival as far as there is room: answers, then scores.

        A row whose prefix another row computes in this pass waits for it.
        """
        joined: list[Request] = []
        tokens = 0.0
        length = max((request.max_length for request in self._active), default=0)
        in_this_pass: set[Prefix] = set()
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            while waiting:
                request = waiting.popleft()
                if request.future.cancelled():
                    continue
                prompt = request.prompt
                if not prompt.tokens:
                    request.resolve([None])
                    continue
                uncached = self._prefix_cache.uncached_tokens(prompt)
                saved = uncached - self._prefix_cache.uncached_tokens_after(prompt, in_this_pass)
                if saved >= _WORTH_WAITING:
                    self._waiting.append(request)
                    continue
                longest = max(length, request.max_length)
                if not self._has_room(len(joined), tokens + uncached, longest):
                    self._waiting.append(request)
                    break
                joined.append(request)
                tokens, length = tokens + uncached, longest
                in_this_pass.update(self._prefix_cache.prefixes(prompt))
            self._waiting.extend(waiting)
        ready = [request for request in joined if request.acquire_adapter()]
        answers = [request for request in ready if request.answer is not None]
        return answers, [request for request in ready if request.answer is None]

    def _has_room(self, joined: int, tokens: float, length: int) -> bool:
        """Whether one more row fits after `joined` others, with whose prompts it has `tokens` tokens.

        A prompt longer than a pass should be is computed when no other one is. A row alone always fits.
        """
        rows = len(self._active) + joined
        if not rows:
            return True
        fits = not joined or tokens <= self._prompt_tokens
        return fits and rows < self._max_rows and self._kv_cache.fits(rows + 1, length)

    def _prefill_rows(self, joining: Sequence[Sequence[Request]]) -> list[list[ForwardRow]]:
        """The uncached part of the joining requests' prompts."""
        slots = count(len(self._active))
        return [[self._prefill_row(request, next(slots)) for request in part] for part in joining]

    def _prefill_row(self, request: Request, slot: int) -> ForwardRow:
        prompt = request.prompt
        request.length, hidden = self._prefix_cache.load(prompt, self._kv_cache, slot)
        return ForwardRow(
            tokens=prompt.tokens[request.length :],
            past=request.length,
            first_output=prompt.first_output - request.length,
            adapter=prompt.adapter.key,
            layers=request.layers,
            boundary=self._prefix_cache.boundary(prompt),
            cached_hidden=hidden,
        )

    def _process(self, rows: Sequence[ForwardRow], states: Sequence[HiddenStates]) -> None:
        """Turn each active request's hidden states into its next token or its scores; finished ones leave."""
        for slot, (request, row, found) in enumerate(zip(self._active, rows, states, strict=True)):
            self.computed_tokens += row.cost(len(self._base.layers))
            request.length = row.length
            if request.in_prefill:
                self._prefix_cache.store(request.prompt, self._kv_cache, slot, row.past, found.at_boundary)
        answering = [slot for slot, request in enumerate(self._active) if request.answer is not None]
        finished = self._extend_answers(answering, [states[slot].final for slot in answering])
        for slot, request in enumerate(self._active):
            if isinstance(request.row, ScoreRow):
                finished[slot] = self._scores(request.row, states[slot].final)
        for slot in sorted(finished, reverse=True):
            request, outcome = self._active[slot], finished[slot]
            if isinstance(outcome, Diverged):
                self._kv_cache.clear(slot)
            self._free(slot)
            request.resolve(outcome)

    def _extend_answers(self, slots: Sequence[int], states: Sequence[Tensor]) -> dict[int, _Outcome]:
        """Append a token to the answers in these slots; returns the outcomes of those that are finished."""
        answers = {slot: answer for slot in slots if (answer := self._active[slot].answer) is not None}
        if not answers:
            return {}
        outcomes = self._sampler.extend(list(answers.values()), self._logits(torch.cat(list(states))))
        return {slot: outcome for slot, outcome in zip(answers, outcomes, strict=True) if outcome is not None}

    def _scores(self, row: ScoreRow, states: Tensor) -> ScoredRow | Diverged:
        scores: list[TokenLogprob] = []
        rows_at_once = max(1, MAX_LOGITS // self._base.head.shape[0])
        for first in range(0, states.shape[0], rows_at_once):
            chunk = states[first : first + rows_at_once]
            logits = self._logits(chunk)
            if not bool(logits.isfinite().all()):
                return not_finite()
            targets = row.tokens[row.start + first : row.start + first + chunk.shape[0]]
            scores += token_logprobs(logits, torch.tensor(targets, device=logits.device), row.top_logprobs)
        return [*([None] * row.start), *scores]

    def _logits(self, states: Tensor) -> Tensor:
        logits = times_transposed(states, self._base.head, self._base.packed_head)
        return logits.to(statistics_dtype(states.dtype))

    def _free(self, slot: int) -> None:
        """Free a slot; the request in the last one moves into it."""
        self._active[slot].release_adapter()
        last = self._active.pop()
        if slot < len(self._active):
            self._kv_cache.move(len(self._active), slot, last.length)
            self._active[slot] = last
