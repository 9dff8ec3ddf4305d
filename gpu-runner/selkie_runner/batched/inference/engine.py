"""Continuous batching across adapters: rows join and leave at any step, each for any adapter.

Every pass computes the next token of each answer in progress, and some tokens of prompts (`scheduler.py`). So the
base's weights are read once for all of them. What prompts share is computed once (`prefix_cache.py`).
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ...errors import Diverged, OutOfMemory
from ...hardware import available_bytes, memory_errors
from ...rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow, TokenLogprob
from ...rows.sampler import Sampler, not_finite
from ...rows.sampling import token_logprobs
from ..base import MAX_LOGITS, FrozenBase
from ..kernels.elementwise import statistics_dtype
from ..kernels.products import times_transposed
from .adapter_source import BASE, AdapterSource
from .forward import ForwardRow, HiddenStates, forward
from .kv_cache import KVCache
from .prefix_cache import PrefixCache
from .request import Request
from .scheduler import Scheduled, Scheduler

Item = TypeVar("Item")

#: prompt tokens per pass; few on a CPU, where a training step waits for the pass to end
_PROMPT_TOKENS = {"cpu": 256, "cuda": 8192}
#: each cache takes at most 1/N of the memory that is free when the engine is made
_KV_CACHE_SHARE, _PREFIX_CACHE_SHARE = 8, 32
_MAX_PREFIX_CACHE_BYTES = 2**29


@dataclass(frozen=True)
class _Computed:
    """What a pass computed of a row, with the scores of its outputs if they are asked for."""

    request: Request
    row: ForwardRow
    states: HiddenStates
    scores: list[TokenLogprob] | Diverged


@dataclass(frozen=True)
class _Pass:
    """What a pass computed.

    Attributes:
        rows: a request has several in deterministic mode.
        answering: the requests that get a token.
        logits: [n, vocabulary] in parts; together one per answering request.
    """

    rows: Sequence[_Computed]
    answering: Sequence[Request]
    logits: Sequence[Tensor]


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
        deterministic: bool = False,
        ends: bool = True,
    ) -> None:
        """Share the base's weights.

        Args:
            rows: maximum per pass.
            prompt_tokens: maximum that a pass reads of prompts.
            deterministic: compute each row in separate products and prompts in tiles of one size. So an answer has
                the same bits whatever else is computed or cached, and takes longer.
            ends: whether the model's end tokens end an answer; benchmarks need answers of one length.
        """
        available = available_bytes(base.device)
        if prefix_cache_bytes is None:
            prefix_cache_bytes = min(_MAX_PREFIX_CACHE_BYTES, available // _PREFIX_CACHE_SHARE)
        self._base = base
        self._sampler = Sampler(model, tokenizer, ends=ends)
        self._deterministic = deterministic
        self._kv_cache = KVCache(base, available // _KV_CACHE_SHARE)
        self._prefix_cache = PrefixCache(len(base.layers), self._kv_cache.token_bytes, prefix_cache_bytes)
        self._scheduler = Scheduler(
            self._kv_cache,
            self._prefix_cache,
            rows=rows,
            prompt_tokens=prompt_tokens or _PROMPT_TOKENS.get(base.device.type, 256),
            deterministic=deterministic,
        )
        self.computed_tokens = 0.0

    @property
    def idle(self) -> bool:
        """Whether no row waits or is in progress."""
        return self._scheduler.idle

    def waiting(self) -> list[float]:
        """When each waiting row arrived, by `time.monotonic`; the oldest first."""
        return self._scheduler.waiting()

    def generate(self, rows: Sequence[DecodeRow], adapter: AdapterSource = BASE) -> list[Future[DecodedRow]]:
        """Queue rows to answer. Each future gets its row's answer or error."""
        futures: list[Future[DecodedRow]] = [Future() for _ in rows]
        self._queue(
            Request.answering(self._sampler.begin(row), future, adapter, deterministic=self._deterministic)
            for row, future in zip(rows, futures, strict=True)
        )
        return futures

    def score(self, rows: Sequence[ScoreRow], adapter: AdapterSource = BASE) -> list[Future[ScoredRow]]:
        """Queue rows to score. Each future gets its row's log-probabilities or error."""
        futures: list[Future[ScoredRow]] = [Future() for _ in rows]
        self._queue(
            Request.scoring(row, future, adapter, deterministic=self._deterministic)
            for row, future in zip(rows, futures, strict=True)
        )
        return futures

    @torch.no_grad()
    def step(self) -> bool:
        """Run one pass; false if there is nothing to do. An error of a pass goes to the rows' futures."""
        scheduled = self._scheduler.schedule()
        self._run(scheduled)
        self._scheduler.trim()
        return bool(scheduled) or not self.idle

    def abandon(self, error: Exception) -> None:
        """Fail every row: `step` will not be called again for those that are here now. On the device's thread only."""
        self._scheduler.abandon(error)

    def _queue(self, requests: Iterable[Request]) -> None:
        waiting: list[Request] = []
        for request in requests:
            if request.prompt.tokens:
                waiting.append(request)
            else:
                # the score of a single token, which has nothing before it
                request.resolve([None])
        self._scheduler.add(waiting)

    def _run(self, scheduled: Sequence[Scheduled]) -> None:
        """Run a pass. If it fails, each half of its rows is tried without the other, down to the rows that fail."""
        if not scheduled:
            return
        error = self._try(scheduled)
        if error is None:
            return
        if len(scheduled) == 1:
            self._scheduler.leave(scheduled[0].request, error)
            return
        # freed first: its traceback holds what the pass had computed
        del error
        middle = len(scheduled) // 2
        self._run(scheduled[:middle])
        self._run(scheduled[middle:])

    def _try(self, scheduled: Sequence[Scheduled]) -> Exception | None:
        """Run a pass, or return its error; the rows are then as before."""
        try:
            with memory_errors("decoding"):
                computed = self._compute(scheduled)
        except Exception as error:
            return error
        try:
            self._process(computed)
        except Exception as error:
            # how far the rows have come is not known, so they cannot be tried again
            for one in scheduled:
                if one.request.slot is not None:
                    self._scheduler.leave(one.request, error)
        return None

    def _compute(self, scheduled: Sequence[Scheduled]) -> _Pass:
        """What the rows' tokens up to their ends give. Changes nothing but what slots hold beyond their lengths."""
        pairs = [
            (one.request, row)
            for one in scheduled
            for row in one.request.forward_rows(one.end, self._prefix_cache.boundary(one.request.prompt))
        ]
        rows = [row for _, row in pairs]
        states = [found for part in self._apart(rows) for found in forward(self._base, part)]
        computed = [
            _Computed(request, row, found, self._scores(request.row, row, found.final))
            for (request, row), found in zip(pairs, states, strict=True)
        ]
        answering = [one for one in computed if one.request.answer is not None and len(one.states.final)]
        parts = self._apart([one.states.final for one in answering])
        logits = [self._logits(torch.cat(list(part))) for part in parts if part]
        return _Pass(computed, [one.request for one in answering], logits)

    def _apart(self, items: Sequence[Item]) -> Sequence[Sequence[Item]]:
        """What is computed together: one by one in deterministic mode."""
        return [[item] for item in items] if self._deterministic else [items]

    def _process(self, found: _Pass) -> None:
        """Turn what was computed into tokens and scores; finished rows leave."""
        finished: dict[Request, DecodedRow | ScoredRow | Diverged] = {}
        for one in found.rows:
            request = one.request
            self._advance(one)
            if isinstance(one.scores, Diverged):
                finished[request] = one.scores
            elif isinstance(request.row, ScoreRow) and request not in finished:
                request.scores += one.scores
                if request.computed == request.length:
                    finished[request] = [*([None] * request.row.start), *request.scores]
        if found.answering:
            logits = found.logits[0] if len(found.logits) == 1 else torch.cat(list(found.logits))
            answers = [request.answer for request in found.answering if request.answer is not None]
            outcomes = zip(found.answering, self._sampler.extend(answers, logits), strict=True)
            finished.update((request, outcome) for request, outcome in outcomes if outcome is not None)
        for request, outcome in finished.items():
            self._scheduler.leave(request, outcome)

    def _advance(self, one: _Computed) -> None:
        """Note how far a row is computed, and store what it computed of its prompt."""
        request, row = one.request, one.row
        assert request.slot is not None
        self.computed_tokens += row.cost(len(self._base.layers))
        request.advance(row.length)
        if row.past < len(request.prompt.tokens):
            # what is not cached is computed again
            with suppress(OutOfMemory), memory_errors("decoding"):
                self._prefix_cache.store(request.prompt, self._kv_cache, request.slot, row.past, one.states.at_boundary)

    def _scores(self, asked: DecodeRow | ScoreRow, row: ForwardRow, states: Tensor) -> list[TokenLogprob] | Diverged:
        """The scores of the tokens that follow a row's outputs; none of an answer."""
        scores: list[TokenLogprob] = []
        if isinstance(asked, DecodeRow):
            return scores
        rows_at_once = max(1, MAX_LOGITS // self._base.head.shape[0])
        start = row.past + row.first_output + 1
        for first in range(0, states.shape[0], rows_at_once):
            chunk = states[first : first + rows_at_once]
            logits = self._logits(chunk)
            if not bool(logits.isfinite().all()):
                return not_finite()
            targets = asked.tokens[start + first : start + first + chunk.shape[0]]
            scores += token_logprobs(logits, torch.tensor(targets, device=logits.device), asked.top_logprobs)
        return scores

    def _logits(self, states: Tensor) -> Tensor:
        logits = times_transposed(states, self._base.head, self._base.packed_head)
        return logits.to(statistics_dtype(states.dtype))
