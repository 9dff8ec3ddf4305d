"""What a row is computed with: the base, or an adapter that has to be on the device meanwhile."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from ..lora.frozen import FrozenAdapter


class AdapterSource(Protocol):
    """An adapter, or the base."""

    @property
    def key(self) -> str:
        """Identifies the weights for good; empty for the base."""
        ...

    @property
    def lowest_layer(self) -> int:
        """The lowest layer of the base that the adapter changes; 0 also for the base."""
        ...

    def hold(self) -> AbstractContextManager[Sequence[FrozenAdapter]]:
        """The LoRA layers, which stay on the device until the context ends. Called on the device's thread."""
        ...


@dataclass(frozen=True)
class ResidentAdapter:
    """LoRA layers that stay on the device."""

    key: str = ""
    layers: Sequence[FrozenAdapter] = ()

    @property
    def lowest_layer(self) -> int:
        return min((layer.weights.layout.lowest_layer for layer in self.layers), default=0)

    def hold(self) -> AbstractContextManager[Sequence[FrozenAdapter]]:
        return nullcontext(self.layers)


BASE = ResidentAdapter()
