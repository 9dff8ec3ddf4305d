"""The engine's errors: one tree, in which each class names its type in the contract (`src/contract/errors.ts`).

A host of the engine catches `EngineError` and answers with `error_type`; the contract decides which types are retried.
Anything else that the engine raises is a defect.

Adding an error:
    1. Reuse a type of the contract if its retry rule fits; otherwise add the type to `errorTypes` in
       `src/contract/errors.ts`, run `npm run contract`, and add it to `ErrorType` in `wire.py`.
    2. Derive the class from `EngineError` and from the built-in exception that it is a kind of.
    3. State in its docstring what is wrong, and in each message what to do about it.
    `tests/wire_test.py` fails where a class names a type that the contract lacks.
"""

import errno
from collections.abc import Generator
from contextlib import contextmanager
from typing import ClassVar, Final


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


class UnsupportedModel(EngineError, ValueError):
    """The registry names a model that this runner cannot compute; the message says why."""

    error_type = "InvalidConfig"


class InvalidTraining(EngineError, ValueError):
    """The training asks for what the model or a server cannot do: its length, its targets, the rank of the stack."""

    error_type = "InvalidRequest"


class UnsupportedSampling(EngineError, ValueError):
    """The engine cannot honour a sampling parameter of the row; the message names it."""

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


class DeviceBudgetExceeded(EngineError):
    """The training has used the device-seconds that its request allows."""

    error_type = "DeviceBudgetExceeded"


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


class DeviceLost(BaseException):
    """The device computes nothing until the process ends. No caller can go on, so `except Exception` lets it pass."""
