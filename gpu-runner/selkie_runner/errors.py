"""The engine's errors: one tree, each naming its type in the contract (`src/contract/errors.ts`).

Whoever hosts the engine catches `EngineError` and answers with `error_type`; whether a type is retried is for the
contract to say. Anything else that the engine raises is a defect.
"""

# ruff: noqa: N818 -- the names are those of the contract

import errno
from collections.abc import Generator
from contextlib import contextmanager
from typing import ClassVar, Final

import torch


class EngineError(Exception):
    """Base of every error that a caller of the engine can meet.

    Attributes:
        device_seconds: what a training had used of the device, over all attempts; None where no device worked.
    """

    error_type: ClassVar[str]
    device_seconds: float | None = None


class InvalidRegistry(EngineError, ValueError):
    """The model registry file does not parse; the message lists every problem and the valid keys."""

    error_type = "InvalidConfig"


class InvalidTraining(EngineError, ValueError):
    """The training asks for what the model or a server cannot do: its length, its targets, the rank of the stack."""

    error_type = "InvalidRequest"


class ModelNotFound(EngineError, LookupError):
    """The model is not in the registry, or its source is not on this machine."""

    error_type = "ModelNotFound"


class InvalidDataset(EngineError, ValueError):
    """The dataset cannot be read, is empty, or holds a line with nothing to learn; the message names the line."""

    error_type = "InvalidDataset"


class InvalidAdapter(EngineError, ValueError):
    """The folder is no PEFT LoRA adapter of this base; the message says which key, shape or option is wrong."""

    error_type = "InvalidRequest"


class CorruptArtifact(EngineError):
    """An artifact's bytes do not match its address."""

    error_type = "CorruptArtifact"


class ArtifactMissing(EngineError, FileNotFoundError):
    """This store has no artifact of that address."""

    error_type = "CorruptArtifact"


class StoreUnavailable(EngineError, OSError):
    """The disk of the store, or of the work in progress, is full, broken or not mounted; it is waited for."""

    error_type = "StoreUnavailable"


class Diverged(EngineError, ArithmeticError):
    """The loss, the gradient or the trained weights became non-finite."""

    error_type = "Diverged"


class OutOfMemory(EngineError, MemoryError):
    """The device or the machine has too little memory; another attempt may find more."""

    error_type = "OutOfMemory"


_AWAY: Final = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ENOTCONN),
        *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.EREMOTEIO, errno.EACCES),
        *(errno.EPERM, errno.EBUSY, errno.EMFILE, errno.ENFILE),
    }
)


@contextmanager
def disk_errors() -> Generator[None]:
    """Turn what goes wrong with a disk, and not with what is asked of it, into `StoreUnavailable`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, EngineError) or error.errno not in _AWAY:
            raise
        raise StoreUnavailable(f"the disk cannot be used: {error}") from error


@contextmanager
def memory_errors(doing: str) -> Generator[None]:
    """Turn every form in which torch reports a failed allocation into `OutOfMemory`."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemory(f"out of memory while {doing}: {error}") from error
    except RuntimeError as error:
        # the CPU allocator has no exception type of its own
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise OutOfMemory(f"out of memory while {doing}: {error}") from error
