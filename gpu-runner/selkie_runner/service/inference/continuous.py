"""The batched decoder in the service: one job on the device steps all answers together, while there are any."""

import asyncio
import logging
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ...batched import FrozenAdapter, FrozenAdapters, InferenceEngine
from ...batched.inference.adapter_source import BASE, AdapterSource
from ...logs import event
from ...rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow
from ..device.loop import DeviceLoop, DeviceStopped
from .served_adapters import ServedAdapter, ServedAdapters

logger = logging.getLogger(__name__)

Row = TypeVar("Row")
Out = TypeVar("Out")


class FrozenHost:
    """Served adapters as plain factors on the device. Device thread only."""

    def __init__(self, adapters: FrozenAdapters) -> None:
        self._adapters = adapters
        self._loaded: dict[str, tuple[Path, FrozenAdapter]] = {}

    def load(self, name: str, folder: Path) -> None:
        """Load a PEFT folder under a name; raises `InvalidAdapter` where it is none of this base."""
        [layer] = self._adapters.acquire([folder])
        self._loaded[name] = (folder, layer)

    def unload(self, name: str) -> None:
        """Forget a name."""
        folder, _ = self._loaded.pop(name)
        self._adapters.release([folder])

    def layer(self, name: str) -> FrozenAdapter:
        """What was loaded under the name."""
        return self._loaded[name][1]


@dataclass(frozen=True)
class _Served:
    """A served adapter as the decoder takes it."""

    key: str
    lowest_layer: int
    hold: Callable[[], Any]


class ContinuousDecoding:
    """Feeds a `InferenceEngine` and turns its crank on the device's decode lane.

    Attributes:
        generating, scoring: its two faces.
        waiting: see `InferenceEngine.waiting`.
    """

    def __init__(
        self, device: DeviceLoop, adapters: ServedAdapters, host: FrozenHost, decoder: InferenceEngine
    ) -> None:
        self._device = device
        self._adapters = adapters
        self._host = host
        self._decoder = decoder
        self._lock = threading.Lock()
        self._turning = False
        self.waiting = decoder.waiting
        self.generating: _Face[DecodeRow, DecodedRow] = _Face(self, decoder.generate)
        self.scoring: _Face[ScoreRow, ScoredRow] = _Face(self, decoder.score)

    def source(self, adapter: ServedAdapter | None) -> AdapterSource:
        """What rows of this adapter are computed with."""
        if adapter is None:
            return BASE

        @contextmanager
        def hold() -> Generator[tuple[FrozenAdapter, ...]]:
            with self._adapters.held(adapter):
                yield (self._host.layer(adapter.key),)

        return _Served(adapter.key, adapter.lowest_layer, hold)

    def turn(self) -> None:
        """See to it that the rows which were queued are stepped."""
        with self._lock:
            if self._turning:
                return
            self._turning = True
        try:
            job = self._device.run(self._steps(), lane="decode", name="decode")
        except DeviceStopped as error:
            self._stop(error)
        else:
            job.future.add_done_callback(lambda future: self._stop(_stopped()) if future.cancelled() else None)

    def _steps(self) -> Generator[None, None, None]:
        try:
            while True:
                while self._decoder.step():
                    yield
                with self._lock:
                    # a row that came after the last step is stepped by this job, one that comes later by the next
                    if self._decoder.idle:
                        self._turning = False
                        return
        except Exception as error:
            event(logger, logging.ERROR, "decoding_failed", exc_info=True)
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        with self._lock:
            self._turning = False
        self._decoder.abandon(error)


class _Face(Generic[Row, Out]):
    """One kind of row."""

    def __init__(
        self, decoding: ContinuousDecoding, submit: Callable[[Sequence[Row], AdapterSource], list[Future[Out]]]
    ) -> None:
        self._decoding = decoding
        self._submit = submit

    async def answer(self, adapter: ServedAdapter | None, rows: Sequence[Row]) -> list[Out]:
        """See `Answering`."""
        futures = self._submit(rows, self._decoding.source(adapter))
        self._decoding.turn()
        try:
            return await asyncio.gather(*map(asyncio.wrap_future, futures))
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def _stopped() -> DeviceStopped:
    return DeviceStopped("the runner is shutting down")
