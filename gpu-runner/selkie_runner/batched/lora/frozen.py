"""Frozen adapters below the trained ones: each is loaded once, however many jobs stack on it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ...errors import InvalidAdapter
from ...lora.layer_numbers import layer_number
from ...lora.peft_folder import read_adapter
from ..base import FrozenBase
from .layout import AdapterLayout, AdapterView


@dataclass(frozen=True)
class FrozenAdapter:
    """A LoRA layer that is not trained."""

    weights: AdapterView
    scale: float


class FrozenAdapters:
    """PEFT folders by path, loaded for the first job that needs one and dropped after the last."""

    def __init__(self, base: FrozenBase, dtype: torch.dtype | None = None) -> None:
        """Load nothing yet. Weights are held in `dtype`, by default the passes' own."""
        self._base = base
        self._dtype = dtype or base.dtype
        self._loaded: dict[Path, FrozenAdapter] = {}
        self._uses: dict[Path, int] = {}

    def acquire(self, stack: list[Path]) -> tuple[FrozenAdapter, ...]:
        """The layers of a stack, lowest first; `release` gives them back.

        Raises:
            InvalidAdapter: a folder is no plain LoRA adapter of this base. Nothing is held then.
        """
        loaded = {path: self._loaded.get(path) or load_frozen(self._base, path, self._dtype) for path in stack}
        self._loaded.update(loaded)
        for path in stack:
            self._uses[path] = self._uses.get(path, 0) + 1
        return tuple(loaded[path] for path in stack)

    def release(self, stack: list[Path]) -> None:
        """Give back what `acquire` gave."""
        for path in stack:
            self._uses[path] -= 1
            if not self._uses[path]:
                del self._uses[path], self._loaded[path]


def load_frozen(base: FrozenBase, folder: Path, dtype: torch.dtype) -> FrozenAdapter:
    """Load a PEFT folder; raises `InvalidAdapter` where it is no plain LoRA adapter of this base."""
    layer = read_adapter(folder)
    shapes = {projection.module: tuple(projection.weight.shape) for projection in base.projections()}
    for module, a in layer.a.items():
        shape = (layer.b[module].shape[0], a.shape[1])
        if shapes.get(module) != shape:
            in_base = f"is {list(shapes[module])}" if module in shapes else "does not exist"
            raise InvalidAdapter(f"{folder}: its {module} is {list(shape)}, in the base that module {in_base}")
    lowest = min(layer_number(module) for module in layer.a)
    layout = AdapterLayout(base, layer.rank, frozenset(module.rpartition(".")[2] for module in layer.a), lowest)
    # zeros where the folder has no factors for a module
    view = layout.view(torch.zeros(layout.size, dtype=dtype, device=base.device))
    for module, a, b in view.modules():
        if module in layer.a:
            a.copy_(layer.a[module])
            b.copy_(layer.b[module])
    return FrozenAdapter(view, layer.scale)
