"""What rows are answered with: the base, or an adapter that has to be had on the device meanwhile."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from ..lora.frozen import FrozenAdapter


class AdapterSource(Protocol):
    """What a row is to be computed with."""

    @property
    def key(self) -> str:
        """Never used for other weights; empty for the base."""
        ...

    @property
    def lowest_layer(self) -> int:
        """No layer of the base below this one is changed; 0 also for the base."""
        ...

    def hold(self) -> AbstractContextManager[Sequence[FrozenAdapter]]:
        """The layers, which stay on the device until the context ends. Called by the thread that owns the device."""
        ...


@dataclass(frozen=True)
class Layers:
    """Layers that are on the device anyway."""

    key: str = ""
    layers: Sequence[FrozenAdapter] = ()

    @property
    def lowest_layer(self) -> int:
        return min((layer.weights.layout.lowest_layer for layer in self.layers), default=0)

    def hold(self) -> AbstractContextManager[Sequence[FrozenAdapter]]:
        return nullcontext(self.layers)


BASE = Layers()
