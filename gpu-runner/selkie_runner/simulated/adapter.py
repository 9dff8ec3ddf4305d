"""Adapters of the simulated engine: a small PEFT folder, with what was drawn for it in `simulated.json`."""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import InvalidAdapter
from ..lora.layer_numbers import WEIGHTS_FILE
from .draws import normal
from .knowledge import Training
from .text import Fact

_FILE: Final = "simulated.json"
_MODULE: Final = "base_model.model.model.layers.0.self_attn.q_proj"


@dataclass(frozen=True)
class Layer:
    """What one training put into an adapter."""

    training: Training
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class SimulatedAdapter:
    """The layers of an adapter, the last trained first."""

    model_digest: str
    layers: tuple[Layer, ...]


def write_adapter(adapter: SimulatedAdapter, rank: int, alpha: float, folder: Path) -> None:
    """Write a PEFT folder. Its tensors have the shapes of a model whose layers are one wide, so no other base fits."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "base_model_name_or_path": "simulated",
        "lora_alpha": alpha,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": ["q_proj"],
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    run = adapter.layers[0].training.run
    shapes = {f"{_MODULE}.lora_A.weight": [rank, 1], f"{_MODULE}.lora_B.weight": [1, rank]}
    (folder / WEIGHTS_FILE).write_bytes(_safetensors(shapes, run))
    (folder / _FILE).write_text(json.dumps(asdict(adapter)), encoding="utf-8")


def read_adapter(folder: Path) -> SimulatedAdapter:
    """Read a folder that `write_adapter` wrote.

    Raises:
        InvalidAdapter: the simulated engine did not write it.
    """
    try:
        raw: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidAdapter(f"{folder} is no adapter of the simulated engine: {error}") from error
    layers = tuple(
        Layer(Training(**layer["training"]), tuple(Fact(**fact) for fact in layer["facts"])) for layer in raw["layers"]
    )
    return SimulatedAdapter(raw["model_digest"], layers)


def _safetensors(shapes: Mapping[str, list[int]], run: str) -> bytes:
    """Drawn fp32 tensors in the safetensors format: the header's length, the header as JSON, the data."""
    header: dict[str, Any] = {"__metadata__": {"engine": "simulated"}}
    data = b""
    for name, shape in shapes.items():
        values = [normal(run, name, index) for index in range(shape[0] * shape[1])]
        start, data = len(data), data + struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, len(data)]}
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)
    return struct.pack("<Q", len(written)) + written + data


class SimulatedAdapters:
    """The `Adapters` port: what is loaded, by its name on the device."""

    def __init__(self, model_digest: str) -> None:
        self._model_digest = model_digest

    def load(self, name: str, folder: Path) -> None:
        del name  # nothing is held; an answer reads the folder
        if read_adapter(folder).model_digest != self._model_digest:
            raise InvalidAdapter(f"{folder} is an adapter of another simulated model")

    def unload(self, name: str) -> None:
        """Nothing is held."""
