"""Where a bench runs and with what, as its output names it."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

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
        "name": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
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


def has_fast_bf16(device: torch.device) -> bool:
    """Whether products in bf16 have instructions of their own here."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    flags = _cpu_field("flags", "Features").split()
    # x86 with AVX512-BF16 or AMX, Arm with its bf16 extension
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def _cpu_name() -> str:
    return _cpu_field("model name") or platform.processor() or platform.machine()


def _cpu_field(*names: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""  # not Linux
    return next(
        (value.strip() for key, _, value in (line.partition(":") for line in lines) if key.strip() in names), ""
    )
