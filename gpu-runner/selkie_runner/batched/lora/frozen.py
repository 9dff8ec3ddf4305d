"""The frozen layers below the trained ones, held once however many jobs in flight stand on them."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ...errors import InvalidAdapter
from ...lora.peft_folder import read_adapter
from ...lora.weights import layer_number
from ..base import FrozenBase, module_name
from .layout import AdapterLayout, AdapterView


@dataclass(frozen=True)
class FrozenAdapter:
    """A layer that is not trained."""

    weights: AdapterView
    scale: float


class FrozenAdapters:
    """PEFT folders by path, loaded for the first job that needs one and dropped after the last."""

    def __init__(self, decoder: FrozenBase, dtype: torch.dtype | None = None) -> None:
        """Hold none yet. `dtype` is what their weights are held in, by default what the passes compute in."""
        self._decoder = decoder
        self._dtype = dtype or decoder.dtype
        self._loaded: dict[Path, FrozenAdapter] = {}
        self._uses: dict[Path, int] = {}

    def acquire(self, stack: list[Path]) -> tuple[FrozenAdapter, ...]:
        """The layers of a stack, lowest first; `release` gives them back.

        Raises:
            InvalidAdapter: a folder is no plain LoRA adapter of this base. Nothing is held then.
        """
        loaded = {path: self._loaded.get(path) or _load(self._decoder, path, self._dtype) for path in stack}
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


def _load(decoder: FrozenBase, folder: Path, dtype: torch.dtype) -> FrozenAdapter:
    layer = read_adapter(folder)
    shapes = {module_name(index, p.name): tuple(p.weight.shape) for index, _, p in decoder.projections()}
    for module, a in layer.a.items():
        fit = (layer.b[module].shape[0], a.shape[1])
        if shapes.get(module) != fit:
            has = f"is {list(shapes[module])}" if module in shapes else "does not exist"
            raise InvalidAdapter(f"{folder}: its {module} is {list(fit)}, in the base that module {has}")
    lowest = min(layer_number(module) for module in layer.a)
    layout = AdapterLayout(decoder, layer.rank, frozenset(module.rpartition(".")[2] for module in layer.a), lowest)
    # zeros where the folder has no factors for a module
    view = layout.view(torch.zeros(layout.size, dtype=dtype, device=decoder.device))
    for module, a, b in view.modules():
        if module in layer.a:
            a.copy_(layer.a[module])
            b.copy_(layer.b[module])
    return FrozenAdapter(view, layer.scale)
