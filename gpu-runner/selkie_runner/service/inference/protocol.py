"""What answers rows for the HTTP server: a face for each kind of row, whichever way they are computed."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from .served_adapters import ServedAdapter

Row_contra = TypeVar("Row_contra", contravariant=True)
Out = TypeVar("Out")


class Answering(Protocol[Row_contra, Out]):
    """One kind of work over all adapters."""

    async def answer(self, adapter: ServedAdapter | None, rows: Sequence[Row_contra]) -> list[Out]:
        """The rows' answers, in order. Cancelling this drops the rows at the device's next step.

        Raises:
            EngineError: what computing a row raised.
            DeviceStopped: the runner is shutting down.
        """
        ...
