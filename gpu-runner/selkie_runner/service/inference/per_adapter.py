"""Gathers concurrent requests for one adapter into one batch.

Rows wait in a queue per adapter. A job on the device takes up to `max_rows` of them, works until each is answered, and
takes again what has come in the meantime; batches of different adapters take turns on the device.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from ...errors import EngineError
from ...logs import event
from ...ports import ServedAdapter
from ..device.loop import DeviceLoop
from ..stopping import DeviceStopped
from .served_adapters import ServedAdapters

logger = logging.getLogger(__name__)

Row = TypeVar("Row")
Out = TypeVar("Out")
Row_contra = TypeVar("Row_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)

#: requests that one client sends at once arrive within this time; a lone request hardly notices it
_GATHER_SECONDS: Final = 0.01


class Work(Protocol[Row_contra, Out_co]):
    """`decode` or `score`, bound to a model: yields (position, outcome) of the rows that each step finished."""

    def __call__(
        self, rows: Sequence[Row_contra], *, activate: Callable[[], None], wanted: Callable[[int], bool]
    ) -> Generator[Sequence[tuple[int, Out_co | EngineError]], None, None]: ...


@dataclass
class _Item(Generic[Row, Out]):
    row: Row
    came: float = field(default_factory=time.monotonic)
    future: Future[Out] = field(default_factory=Future[Out])


class PerAdapterBatcher(Generic[Row, Out]):
    """One kind of work over all adapters. With `max_rows` 1 nothing shares a forward pass: answers repeat bitwise."""

    def __init__(
        self,
        device: DeviceLoop,
        adapters: ServedAdapters,
        work: Work[Row, Out],
        activate: Callable[[str | None], None],
        *,
        max_rows: int,
        name: str,
    ) -> None:
        """Serve one kind of work; `activate` makes the model compute with the adapter of that key, or with none."""
        self._device = device
        self._adapters = adapters
        self._work = work
        self._activate = activate
        self._max_rows = max_rows
        self._name = name
        self._waiting: dict[ServedAdapter | None, deque[_Item[Row, Out]]] = {}
        self._lock = threading.Lock()

    async def answer(self, adapter: ServedAdapter | None, rows: Sequence[Row]) -> list[Out]:
        """The rows' answers, in order. Cancelling this drops the rows at the device's next step.

        Raises:
            EngineError: what the model raised, for every row of the batch.
            DeviceStopped: the runner is shutting down.
        """
        items: list[_Item[Row, Out]] = [_Item(row) for row in rows]
        with self._lock:
            idle = adapter not in self._waiting
            self._waiting.setdefault(adapter, deque()).extend(items)
        if idle:
            # by the loop's clock, not by this request's: it may be cancelled while others have joined its batch
            delay = _GATHER_SECONDS if self._max_rows > 1 else 0
            asyncio.get_running_loop().call_later(delay, self._start, adapter)
        try:
            return await asyncio.gather(*(asyncio.wrap_future(item.future) for item in items))
        except BaseException:
            for item in items:
                item.future.cancel()
            raise

    def waiting(self) -> list[float]:
        """When each row came that no batch has taken yet, by `time.monotonic`; the oldest first."""
        with self._lock:
            items = [item for queue in self._waiting.values() for item in queue]
        return sorted(item.came for item in items if not item.future.cancelled())

    def _start(self, adapter: ServedAdapter | None) -> None:
        try:
            job = self._device.run(self._serve(adapter), lane="decode", name=self._name)
        except DeviceStopped as error:
            self._abandon(adapter, error)
        else:
            job.future.add_done_callback(
                lambda future: self._abandon(adapter, DeviceStopped()) if future.cancelled() else None
            )

    def _serve(self, adapter: ServedAdapter | None) -> Generator[None, None, None]:
        while items := self._take(adapter):
            try:
                with self._adapters.held(adapter):
                    yield from self._batch(adapter, items)
            except Exception as error:
                event(logger, logging.WARNING, "batch_failed", job=self._name, rows=len(items), exc_info=True)
                _fail(items, error)
            finally:
                _fail(items, DeviceStopped())  # only when this generator was closed is any row still without an answer

    def _batch(self, adapter: ServedAdapter | None, items: list[_Item[Row, Out]]) -> Generator[None, None, None]:
        steps = self._work(
            [item.row for item in items],
            activate=lambda: self._activate(None if adapter is None else adapter.key),
            wanted=lambda position: not items[position].future.cancelled(),
        )
        for finished in steps:
            for position, outcome in finished:
                if isinstance(outcome, EngineError):
                    _fail([items[position]], outcome)
                elif items[position].future.set_running_or_notify_cancel():
                    items[position].future.set_result(outcome)
            yield

    def _take(self, adapter: ServedAdapter | None) -> list[_Item[Row, Out]]:
        """The next batch; when there is none, the adapter counts as idle again."""
        with self._lock:
            queue = self._waiting[adapter]
            items: list[_Item[Row, Out]] = []
            while queue and len(items) < self._max_rows:
                item = queue.popleft()
                if not item.future.cancelled():
                    items.append(item)
            if not items:
                del self._waiting[adapter]
            return items

    def _abandon(self, adapter: ServedAdapter | None, error: Exception) -> None:
        with self._lock:
            _fail(self._waiting.pop(adapter, ()), error)


def _fail(items: Iterable[_Item[Row, Out]], error: Exception) -> None:
    for item in items:
        if not item.future.done() and item.future.set_running_or_notify_cancel():
            item.future.set_exception(error)
