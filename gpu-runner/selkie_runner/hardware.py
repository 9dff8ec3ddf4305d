"""What the machine is and what it is fast at."""

import platform
from pathlib import Path

import torch


def has_fast_bf16(device: torch.device) -> bool:
    """Whether products in bf16 have instructions of their own here."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    flags = _cpu_field("flags", "Features").split()
    # x86 with AVX512-BF16 or AMX, Arm with its bf16 extension
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def cpu_name() -> str:
    """The processor as it names itself."""
    return _cpu_field("model name") or platform.processor() or platform.machine()


def _cpu_field(*names: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""  # not Linux
    return next(
        (value.strip() for key, _, value in (line.partition(":") for line in lines) if key.strip() in names), ""
    )
