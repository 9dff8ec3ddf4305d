"""The adapters that the HTTP server answers from: names given by clients, weights on the device while there is room."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from ...logs import event
from ...lora.layer_numbers import lowest_layer
from ...ports import Adapters, ServedAdapter
from ...store.artifacts import ArtifactStore
from ..device.loop import DeviceLoop, result_of

logger = logging.getLogger(__name__)


class AdapterExists(ValueError):
    """The name is loaded and `load_inplace` was not asked."""


class AdapterNotFound(LookupError):
    """No adapter of that name, or no folder at that path."""


class AdapterOutside(ValueError):
    """The path is in no folder from which this server loads."""


class ServedAdapters:
    """Loads, finds and unloads adapters; keeps at most `max_resident` on the device, the latest used ones.

    An adapter that was moved off the device keeps its name and comes back on its next use, as in vLLM. One that a batch
    is using is never moved; while all are in use there may be more than `max_resident`.
    """

    def __init__(
        self, host: Adapters, device: DeviceLoop, store: ArtifactStore, roots: list[Path], max_resident: int
    ) -> None:
        self._host = host
        self._device = device
        self._store = store
        self._roots = [root.resolve() for root in (roots or [store.root])]
        self._max_resident = max_resident
        self._named: dict[str, ServedAdapter] = {}
        self._numbers = count()
        # uses by key, least recently used first; device thread only
        self._resident: OrderedDict[str, int] = OrderedDict()

    def all(self) -> list[ServedAdapter]:
        """Every adapter that can be asked, oldest first."""
        return list(self._named.values())

    @property
    def resident(self) -> int:
        """How many have their weights on the device."""
        return len(self._resident)

    def find(self, name: str) -> ServedAdapter:
        """The adapter of that name; raises `AdapterNotFound`."""
        if name not in self._named:
            raise AdapterNotFound(f"The lora adapter '{name}' cannot be found.")
        return self._named[name]

    async def load(self, name: str, path: str, *, in_place: bool) -> ServedAdapter:
        """Put a PEFT folder on the device under a name.

        Raises:
            AdapterExists: the name is taken and `in_place` is false.
            AdapterOutside: the path is outside the folders that this server loads from.
            AdapterNotFound: there is no such folder.
            EngineError: the folder is corrupt or no adapter of this base.
        """
        if name in self._named and not in_place:
            raise AdapterExists(
                f"The lora adapter '{name}' has already been loaded. To load it in place, set 'load_inplace' to true."
            )
        folder = await asyncio.to_thread(self._folder, path)
        lowest = await asyncio.to_thread(lowest_layer, folder)
        adapter = ServedAdapter(name, folder, int(time.time()), f"served-{next(self._numbers)}", lowest)
        await result_of(self._device.call(lambda: self._place(adapter), name=f"load {name}"))
        if name in self._named and not in_place:  # another request was quicker while this one loaded
            await self._retire(adapter)
            raise AdapterExists(f"The lora adapter '{name}' has already been loaded.")
        before = self._named.get(name)
        self._named[name] = adapter
        if before is not None:
            await self._retire(before)
        event(logger, logging.INFO, "adapter_loaded", adapter=name, path=str(adapter.path))
        return adapter

    async def unload(self, name: str) -> None:
        """Forget a name; its weights leave the device when the last batch that uses them ends."""
        adapter = self.find(name)
        del self._named[name]
        await self._retire(adapter)
        event(logger, logging.INFO, "adapter_unloaded", adapter=name)

    @contextmanager
    def held(self, adapter: ServedAdapter | None) -> Generator[None]:
        """While held, an adapter stays on the device, even if its name is unloaded. Device thread only."""
        if adapter is None:
            yield
            return
        self._place(adapter)
        self._resident[adapter.key] += 1
        try:
            yield
        finally:
            self._resident[adapter.key] -= 1
            if self._named.get(adapter.name) != adapter:
                self._drop_unused(adapter.key)

    def _folder(self, path: str) -> Path:
        try:
            folder = Path(path).resolve()
            exists = folder.is_dir()
        except (OSError, RuntimeError) as error:  # a name that is too long, links that go in a circle
            raise AdapterNotFound(f"No adapter can be at '{path}': {error}") from error
        if not any(folder.is_relative_to(root) for root in self._roots):
            roots = ", ".join(map(str, self._roots))
            raise AdapterOutside(f"lora_path '{path}' is outside {roots}, the only place this server loads from.")
        if not exists:
            raise AdapterNotFound(f"No adapter found for '{path}'.")
        if folder.parent.parent == self._store.root.resolve() / "sha256":
            self._store.open(folder.name)  # an artifact's bytes must be those of its address
        return folder

    def _place(self, adapter: ServedAdapter) -> None:
        if adapter.key not in self._resident:
            idle = [key for key, uses in self._resident.items() if not uses]
            for key in idle[: max(0, len(self._resident) + 1 - self._max_resident)]:
                self._host.unload(key)
                del self._resident[key]
            self._host.load(adapter.key, adapter.path)
            self._resident[adapter.key] = 0
        self._resident.move_to_end(adapter.key)

    async def _retire(self, adapter: ServedAdapter) -> None:
        await result_of(self._device.call(lambda: self._drop_unused(adapter.key), name=f"unload {adapter.name}"))

    def _drop_unused(self, key: str) -> None:
        if self._resident.get(key) == 0:
            del self._resident[key]
            self._host.unload(key)
