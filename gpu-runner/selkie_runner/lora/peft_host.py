"""LoRA adapters on one shared, frozen base model: loading, switching, unloading.

PEFT puts its layers into the base in place, so after `activate` the base model itself computes with the active
adapters. Not thread-safe: only the thread that owns the device may call it.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

import torch
from peft import LoraConfig, LoraModel
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..errors import InvalidAdapter
from .peft_folder import read_adapter
from .weights import LoraWeights


class PeftHost:
    """The adapters of one base model. There is one per model: `LoadedModel.adapters`."""

    def __init__(self, base: PreTrainedModel) -> None:
        if any(isinstance(module, LoraLayer) for module in base.modules()):
            raise ValueError("this base already has an adapter host: use LoadedModel.adapters")
        self._base = base
        head = base.get_output_embeddings()
        self._linears = {
            name: module
            for name, module in base.named_modules()
            if isinstance(module, nn.Linear) and module is not head
        }
        self._tuner: LoraModel | None = None
        self._layers: dict[str, LoraLayer] = {}
        # PEFT's own names may hold no dots and not its prefixes, so ours never reach it
        self._keys: dict[str, str] = {}
        self._numbers = count()
        self._active: tuple[str, ...] = ()
        self._trainable: str | None = None

    @property
    def names(self) -> list[str]:
        """The loaded adapters, oldest first."""
        return list(self._keys)

    @property
    def active(self) -> tuple[str, ...]:
        """The adapters that the base computes with now."""
        return self._active

    def linear_shapes(self) -> dict[str, tuple[int, int]]:
        """(out, in) of every linear module of the base but its output head: what an adapter may target."""
        return {name: (linear.out_features, linear.in_features) for name, linear in self._linears.items()}

    def load(self, name: str, folder: Path) -> None:
        """Load a PEFT folder under a name. What is active stays as it is.

        Raises:
            InvalidAdapter: the folder is no plain LoRA adapter of this base, or the name is taken.
        """
        try:
            self.add(name, read_adapter(folder))
        except InvalidAdapter as error:
            raise InvalidAdapter(f"cannot load adapter {name!r}: {error}") from error

    def add(self, name: str, weights: LoraWeights) -> None:
        """Put a layer onto the base under a name. What is active stays as it is.

        Raises:
            InvalidAdapter: a module or shape does not fit the base, or the name is taken.
        """
        self._check(name, weights)
        key = f"adapter{next(self._numbers)}"
        config = LoraConfig(
            r=weights.rank,
            lora_alpha=weights.alpha,  # pyright: ignore[reportArgumentType] -- PEFT divides, a float is as good
            target_modules=list(weights.a),
            inference_mode=True,
        )
        # on the meta device first: PEFT's own initialisation would cost time and draw from the global generator
        if self._tuner is None:
            self._tuner = LoraModel(self._base, config, key, low_cpu_mem_usage=True)
        else:
            self._tuner.peft_config[key] = config
            self._tuner.inject_adapter(self._base, key, low_cpu_mem_usage=True)
        self._layers = {module: layer for module, layer in self._base.named_modules() if isinstance(layer, LoraLayer)}
        self._keys[name] = key
        for module in weights.a:
            for side, values in ((self._layers[module].lora_A, weights.a), (self._layers[module].lora_B, weights.b)):
                device = self._linears[module].weight.device
                linear = side[key]
                assert isinstance(linear, nn.Linear)
                linear.weight = nn.Parameter(_copy(values[module], device), requires_grad=False)
        self._apply()

    def activate(self, names: str | Sequence[str] | None = None, trainable: str | None = None) -> None:
        """Make the base compute with one adapter, a stack of them (their updates add up), or none.

        Args:
            trainable: the one active adapter whose parameters take gradients; everything else takes none.

        Raises:
            KeyError: a name is not loaded.
        """
        wanted = () if names is None else (names,) if isinstance(names, str) else tuple(names)
        missing = [name for name in wanted if name not in self._keys]
        if missing:
            raise KeyError(f"adapters not loaded: {', '.join(missing)}")
        if trainable is not None and trainable not in wanted:
            raise KeyError(f"{trainable} is to be trained but not active")
        if (wanted, trainable) != (self._active, self._trainable):
            self._active, self._trainable = wanted, trainable
            self._apply()

    def unload(self, name: str) -> None:
        """Take an adapter off the base and free its memory; where it was active, the others stay active.

        Raises:
            KeyError: the name is not loaded.
        """
        key = self._keys.pop(name)
        self._active = tuple(active for active in self._active if active != name)
        self._trainable = None if self._trainable == name else self._trainable
        self._apply()
        assert self._tuner is not None
        self._tuner.delete_adapter(key)
        self._apply()

    def parameters(self, name: str) -> dict[str, nn.Parameter]:
        """The live parameters of an adapter, by `<module>.A` and `<module>.B`, in the base's order."""
        key = self._keys[name]
        found: dict[str, nn.Parameter] = {}
        for module, layer in self._layers.items():
            for side, linears in (("A", layer.lora_A), ("B", layer.lora_B)):
                if key in linears:
                    linear = linears[key]
                    assert isinstance(linear, nn.Linear)
                    found[f"{module}.{side}"] = linear.get_parameter("weight")
        return found

    def _apply(self) -> None:
        # each layer by itself: PEFT's own switch walks the whole model, which costs as much as decoding a token
        keys = [self._keys[name] for name in self._active]
        for layer in self._layers.values():
            layer.set_adapter(keys, inference_mode=True)
        if self._tuner is not None:
            self._tuner.active_adapter = keys
        if self._trainable is not None:
            for parameter in self.parameters(self._trainable).values():
                parameter.requires_grad_(True)

    def _check(self, name: str, weights: LoraWeights) -> None:
        if name in self._keys:
            raise InvalidAdapter(f"an adapter named {name!r} is already loaded; unload it first")
        shapes = self.linear_shapes()
        for module, a in weights.a.items():
            if module not in shapes:
                raise InvalidAdapter(f"the base has no linear module {module}; is the adapter for another model?")
            fit = (weights.b[module].shape[0], a.shape[1])
            if fit != shapes[module]:
                raise InvalidAdapter(f"{module} of the base is {list(shapes[module])}, the adapter's is {list(fit)}")


def _copy(values: Tensor, device: torch.device) -> Tensor:
    return values.detach().to(device=device, dtype=torch.float32, copy=True)


def snapshot(parameters: Mapping[str, nn.Parameter], rank: int, alpha: float) -> LoraWeights:
    """A copy, on the CPU, of what `PeftHost.parameters` gives."""
    cpu = torch.device("cpu")
    sides: dict[str, dict[str, Tensor]] = {"A": {}, "B": {}}
    for name, parameter in parameters.items():
        module, side = name.rsplit(".", 1)
        sides[side][module] = _copy(parameter, cpu)
    return LoraWeights(rank=rank, alpha=alpha, a=sides["A"], b=sides["B"])
