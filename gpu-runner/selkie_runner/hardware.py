"""What the machine is, what it is fast at, and how its memory runs out."""

import platform
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import torch

from .errors import DeviceLost, OutOfMemory
from .memory import free_bytes

#: after these a CUDA context fails every call
_LOST = (
    "device-side assert",
    "illegal memory access",
    "illegal instruction",
    "unspecified launch failure",
    "ECC error",
)

#: of what is free, left to everything that is not counted
HEADROOM = 0.2


def has_fast_bf16(device: torch.device) -> bool:
    """Whether this CPU has instructions for products in bf16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    flags = _cpu_field("flags", "Features").split()
    # x86 with AVX512-BF16 or AMX, Arm with its bf16 extension
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def cpu_name() -> str:
    """The processor as it names itself."""
    return _cpu_field("model name") or platform.processor() or platform.machine()


def available_bytes(device: torch.device) -> int:
    """Memory that is free on the device now, less headroom; what torch's own cache holds unused counts as free."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    else:
        free = free_bytes()
    return int(free * (1 - HEADROOM))


@cache
def _cpu_field(*names: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""  # not Linux
    return next(
        (value.strip() for key, _, value in (line.partition(":") for line in lines) if key.strip() in names), ""
    )


#: what failed allocations have in their messages where torch raises a plain `RuntimeError`
_ALLOCATION_FAILURES: Final = (
    "DefaultCPUAllocator",
    "std::bad_alloc",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    # oneDNN names no reason; the shapes of a pass are ones that it has primitives for
    "could not create a primitive",
    "could not create a memory object",
)


@contextmanager
def memory_errors(doing: str) -> Generator[None]:
    """Turn a failed allocation, however torch reports it, into `OutOfMemory`, and a lost device into `DeviceLost`."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemory(f"out of memory while {doing}: {error}") from error
    except RuntimeError as error:
        if any(sign in str(error) for sign in _LOST):
            raise DeviceLost(f"the device was lost while {doing}: {error}") from error
        if not any(failure in str(error) for failure in _ALLOCATION_FAILURES):
            raise
        raise OutOfMemory(f"out of memory while {doing}: {error}") from error
