"""Which rows a pass computes, and how many tokens of each.

Every pass computes the next token of each answer in progress, and a budget of prompt tokens. Half of the budget goes to
prompts in order of arrival, so that each is reached; the rest to those with the least work left, so that a short prompt
does not wait for a long one.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil

from ...errors import OutOfMemory
from ...hardware import memory_errors
from .block_store import BLOCK, BlockId
from .kv_cache import KVCache
from .prefix_cache import PrefixCache
from .request import TILE, Request

#: a row waits for the prompts of other rows that save it at least this many tokens
_WORTH_WAITING = 2 * BLOCK
#: positions of an answer for which a joining row's slot has room; a longer answer moves to a longer slot
_ANSWER_ROOM = 64
#: the first N waiting rows are looked at
_LOOK_AHEAD = 1024


@dataclass(frozen=True)
class Scheduled:
    """A row in a pass, after which all its tokens up to `end` are computed."""

    request: Request
    end: int


class Scheduler:
    """The rows that wait and those in progress.

    `add`, `waiting` and `idle` may be used from any thread; the rest only by the thread that owns the device.

    Attributes:
        active: the rows that have a slot, in the order in which they got it.
    """

    def __init__(
        self, kv_cache: KVCache, prefix_cache: PrefixCache, *, rows: int, prompt_tokens: int, deterministic: bool
    ) -> None:
        """Take at most `rows` rows, and `prompt_tokens` prompt tokens per pass."""
        self._kv_cache = kv_cache
        self._prefix_cache = prefix_cache
        self._max_rows = rows
        #: the fewest tokens that a row computes of its prompt in a pass, unless the prompt ends
        self._least = TILE if deterministic else BLOCK
        self._budget = max(prompt_tokens, 2 * self._least)
        self._lock = threading.Lock()
        #: replaced, never changed, so that it is read while a pass is scheduled
        self._waiting: list[Request] = []
        self.active: list[Request] = []

    @property
    def idle(self) -> bool:
        """Whether no row waits or is in progress."""
        with self._lock:
            return not self.active and not self._waiting

    def waiting(self) -> list[float]:
        """When each waiting row arrived, by `time.monotonic`; the oldest first."""
        with self._lock:
            waiting = self._waiting
        return [request.arrived for request in waiting if request.slot is None and not request.future.cancelled()]

    def add(self, requests: Sequence[Request]) -> None:
        """Queue rows."""
        with self._lock:
            self._waiting = [*self._waiting, *requests]

    def schedule(self) -> list[Scheduled]:
        """The rows of the next pass: those that decode, then those that read their prompts."""
        self._drop_cancelled()
        decoding = [
            Scheduled(request, request.length)
            for request in list(self.active)
            if not request.in_prefill and self._has_room(request)
        ]
        reading = self._prefill()
        with self._lock:
            self._waiting = [one for one in self._waiting if one.slot is None and not one.future.done()]
        return [*decoding, *reading]

    def leave(self, request: Request, outcome: object) -> None:
        """Give a row in progress its outcome, or error, and free its slot."""
        request.release_adapter()
        # first, so that no error below leaves it without
        if not request.future.done():
            request.resolve(outcome)
        self._free(request, clear=isinstance(outcome, Exception))

    def trim(self) -> None:
        """Free memory that the rows in progress do not need."""
        self._kv_cache.trim()

    def abandon(self, error: Exception) -> None:
        """Fail all rows."""
        with self._lock:
            requests = [*self.active, *self._waiting]
            self.active, self._waiting = [], []
        for request in requests:
            request.slot = None
            request.fail(error)
        self._kv_cache.drop()

    def _drop_cancelled(self) -> None:
        for request in [one for one in self.active if one.future.cancelled()]:
            request.release_adapter()
            self._free(request, clear=True)

    def _free(self, request: Request, *, clear: bool) -> None:
        slot, request.slot, request.cached_hidden = request.slot, None, None
        if slot is not None:
            self.active.remove(request)
            self._kv_cache.free(slot, clear=clear)

    def _has_room(self, request: Request) -> bool:
        """Give a row that decodes a longer slot where it needs one. The youngest rows wait again where none fits."""
        while (slot := request.slot) is not None and request.length > slot.bucket.length:
            alone = len(self.active) == 1
            if alone or self._kv_cache.fits(request.length):
                try:
                    with memory_errors("decoding"):
                        self._kv_cache.move(slot, request.length)
                    continue
                except OutOfMemory as error:
                    if alone:
                        self.leave(request, error)
                        break
            self._preempt(self.active[-1])
        return request.slot is not None

    def _preempt(self, request: Request) -> None:
        """Take a row's slot away; it is the first of those that wait."""
        request.release_adapter()
        self._free(request, clear=request.in_prefill)
        with self._lock:
            self._waiting = [request, *self._waiting]

    def _prefill(self) -> list[Scheduled]:
        """Share the budget among the prompts in progress and those that can join."""
        in_progress = [request for request in self.active if request.in_prefill]
        with self._lock:
            waiting = [one for one in islice(self._waiting, _LOOK_AHEAD) if not one.future.done()]
        joining = _Joining(self._prefix_cache, in_progress if waiting else [])
        by_arrival = [*in_progress, *waiting]
        left = float(self._budget)
        shares: dict[Request, float] = {}
        for queue, kept in ((by_arrival, left / 2), (sorted(by_arrival, key=self._work), 0.0)):
            for request in queue:
                if left - kept < self._least:
                    break
                if request.slot is None and not self._join(request, joining):
                    continue
                share = min(self._work(request) - shares.get(request, 0.0), left - kept)
                shares[request] = shares.get(request, 0.0) + share
                left -= share
        scheduled = [Scheduled(request, self._end(request, share)) for request, share in shares.items()]
        return [one for one in scheduled if one.end > one.request.computed]

    def _join(self, request: Request, joining: "_Joining") -> bool:
        """Give a waiting row a slot and what is cached of its prompt, if there is room; or its error."""
        room = request.length + min(request.max_length - request.length, _ANSWER_ROOM)
        if joining.full or len(self.active) == self._max_rows or request.future.done() or joining.better_later(request):
            return False
        alone = not self.active
        if not alone and not self._kv_cache.fits(room):
            joining.full = True
            return False
        if not request.acquire_adapter():
            return False
        try:
            with memory_errors("decoding"):
                slot = self._kv_cache.allocate(room)
                request.slot = slot
                self.active.append(request)
                request.take_cached(self._prefix_cache.load(request.prompt, self._kv_cache, slot))
        except Exception as error:
            request.release_adapter()
            if alone or not isinstance(error, OutOfMemory):
                request.fail(error)
            joining.full = True
            self._free(request, clear=True)
            return False
        joining.add(request)
        return True

    def _work(self, request: Request) -> float:
        """What is left of a prompt, in tokens that pass all layers."""
        if request.slot is None:
            return self._prefix_cache.uncached_tokens(request.prompt) + request.length - len(request.prompt.tokens)
        saved = 1 - self._prefix_cache.cost_above(request.prompt)
        return request.length - request.computed - request.cached_tokens * saved

    def _end(self, request: Request, work: float) -> int:
        """Where the chunk ends that is this much work."""
        cached, cost = request.cached_tokens, self._prefix_cache.cost_above(request.prompt)
        tokens = work / cost if work <= cached * cost else cached + work - cached * cost
        return request.end_of_chunk(ceil(tokens - 1e-6))


class _Joining:
    """What decides who joins a pass.

    Attributes:
        full: whether there was no room for a row; those behind it wait too.
    """

    def __init__(self, prefix_cache: PrefixCache, in_progress: Sequence[Request]) -> None:
        self._prefix_cache = prefix_cache
        self._computed: set[BlockId] = set()
        self.full = False
        for request in in_progress:
            self.add(request)

    def add(self, request: Request) -> None:
        """Note whose prompt is being computed."""
        self._computed.update(self._prefix_cache.blocks(request.prompt))

    def better_later(self, request: Request) -> bool:
        """Whether a row saves much by waiting for the prompts that are being computed."""
        now = self._prefix_cache.uncached_tokens(request.prompt)
        return now - self._prefix_cache.uncached_tokens_after(request.prompt, self._computed) >= _WORTH_WAITING
