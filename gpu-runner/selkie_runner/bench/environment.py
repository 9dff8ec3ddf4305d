"""Where a bench runs and with what, as its output names it."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch

from ..hardware import cpu_name, has_fast_bf16

_PACKAGES = ("torch", "transformers", "peft", "safetensors")


def describe(device: torch.device, dtypes: Sequence[torch.dtype], data: str, base: str) -> dict[str, Any]:
    """The `device` of a result.

    Args:
        dtypes: what the sides compute in.
        data: where the jobs come from.
        base: which model is trained on.
    """
    fast = has_fast_bf16(device)
    return {
        "kind": device.type,
        "name": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "dtypes": [str(dtype).removeprefix("torch.") for dtype in dtypes],
        "fastBf16": fast,
        **(
            {}
            if fast
            else {"warning": "this device has no bf16 arithmetic: bf16 figures say nothing about one that has"}
        ),
        "base": base,
        "data": data,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }
