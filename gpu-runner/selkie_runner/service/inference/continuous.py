"""The inference engine in the service: one job on the device steps all answers together, while there are any."""

import asyncio
import logging
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from ...batched import FrozenAdapter, FrozenBase, InferenceEngine, load_frozen
from ...batched.inference.adapter_source import BASE, AdapterSource
from ...logs import event
from ...ports import ServedAdapter
from ...rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow
from ..device.loop import DeviceLoop
from ..stopping import DeviceStopped
from .served_adapters import ServedAdapters

logger = logging.getLogger(__name__)

Row = TypeVar("Row")
Out = TypeVar("Out")


class FrozenHost:
    """The `Adapters` port over plain factors, without PEFT's layers.

    Each name has its own copy: the files under one path may be others the next time.
    """

    def __init__(self, base: FrozenBase, dtype: torch.dtype) -> None:
        self._base = base
        self._dtype = dtype
        self._loaded: dict[str, FrozenAdapter] = {}

    def load(self, name: str, folder: Path) -> None:
        """Load a PEFT folder under a name; raises `InvalidAdapter` where it is none of this base."""
        self._loaded[name] = load_frozen(self._base, folder, self._dtype)

    def unload(self, name: str) -> None:
        """Forget a name."""
        del self._loaded[name]

    def layer(self, name: str) -> FrozenAdapter:
        """What was loaded under the name."""
        return self._loaded[name]


@dataclass(frozen=True)
class _Served:
    """A served adapter as the engine takes it."""

    key: str
    lowest_layer: int
    hold: Callable[[], Any]


class ContinuousBatcher:
    """Feeds an `InferenceEngine` and steps it on the device's decode lane.

    Attributes:
        generator, scorer: the two ports that it serves.
        waiting: see `InferenceEngine.waiting`.
    """

    def __init__(self, device: DeviceLoop, adapters: ServedAdapters, host: FrozenHost, engine: InferenceEngine) -> None:
        self._device = device
        self._adapters = adapters
        self._host = host
        self._engine = engine
        self._lock = threading.Lock()
        self._stepping = False
        self.waiting = engine.waiting
        self.generator: _Endpoint[DecodeRow, DecodedRow] = _Endpoint(self, engine.generate)
        self.scorer: _Endpoint[ScoreRow, ScoredRow] = _Endpoint(self, engine.score)

    def source(self, adapter: ServedAdapter | None) -> AdapterSource:
        """What rows of this adapter are computed with."""
        if adapter is None:
            return BASE

        @contextmanager
        def hold() -> Generator[tuple[FrozenAdapter, ...]]:
            with self._adapters.held(adapter):
                yield (self._host.layer(adapter.key),)

        return _Served(adapter.key, adapter.lowest_layer, hold)

    def ensure_stepping(self) -> None:
        """Have a job on the device that steps what is queued."""
        with self._lock:
            if self._stepping:
                return
            self._stepping = True
        try:
            job = self._device.run(self._steps(), lane="decode", name="decode")
        except DeviceStopped as error:
            self._stop(error)
        else:
            job.future.add_done_callback(lambda future: self._stop(DeviceStopped()) if future.cancelled() else None)

    def _steps(self) -> Generator[None, None, None]:
        try:
            while True:
                while self._engine.step():
                    yield
                with self._lock:
                    # a row that came after the last step is stepped by this job, one that comes later by the next
                    if self._engine.idle:
                        self._stepping = False
                        return
        except Exception as error:
            event(logger, logging.ERROR, "decoding_failed", exc_info=True)
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        with self._lock:
            self._stepping = False
        self._engine.abandon(error)


class _Endpoint(Generic[Row, Out]):
    """One port: one kind of row."""

    def __init__(
        self, batcher: ContinuousBatcher, submit: Callable[[Sequence[Row], AdapterSource], list[Future[Out]]]
    ) -> None:
        self._batcher = batcher
        self._submit = submit

    async def answer(self, adapter: ServedAdapter | None, rows: Sequence[Row]) -> list[Out]:
        """See `Answering`."""
        futures = self._submit(rows, self._batcher.source(adapter))
        self._batcher.ensure_stepping()
        try:
            return await asyncio.gather(*map(asyncio.wrap_future, futures))
        except BaseException:
            for future in futures:
                future.cancel()
            raise
