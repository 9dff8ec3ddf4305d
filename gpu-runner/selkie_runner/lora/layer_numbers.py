"""Which layers of the base an adapter changes, by the names of its tensors. Needs no torch."""

from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open

from ..errors import InvalidAdapter

#: of a PEFT folder
WEIGHTS_FILE: Final = "adapter_model.safetensors"


def layer_number(module: str) -> int:
    """The layer that a module belongs to: the first number in its name, 0 for a module outside the layers."""
    return next((int(part) for part in module.split(".") if part.isdigit()), 0)


def lowest_layer(folder: Path) -> int:
    """The lowest layer of the base that a PEFT folder changes.

    Raises:
        InvalidAdapter: its weights cannot be read, or there are none.
    """
    file = folder / WEIGHTS_FILE
    try:
        with safe_open(file, "np") as weights:
            return min(layer_number(key) for key in weights.keys())  # noqa: SIM118 -- no dict
    except (OSError, ValueError, SafetensorError) as error:
        raise InvalidAdapter(f"{file} cannot be read: {error}") from error
