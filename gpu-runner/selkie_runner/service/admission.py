"""What waits for the device, and when that is too much: rows are computed in the order in which they come."""

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

#: bounds of what a client is told to wait before it asks again
_SHORTEST_SECONDS: Final = 1
_LONGEST_SECONDS: Final = 60


class Busy(RuntimeError):
    """Too many rows wait or are computed for more to be admitted."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyRows(ValueError):
    """One request asks for more rows than are ever admitted."""


@dataclass(frozen=True)
class Waiting:
    """Rows that no pass has begun, and how long the oldest of them has waited."""

    rows: int
    oldest_seconds: float


class Admission:
    """Counts the rows that HTTP waits for, and refuses those beyond a bound."""

    def __init__(self, max_rows: int, waiting_since: Callable[[], Sequence[float]]) -> None:
        """Admit `max_rows`; `waiting_since` gives when each waiting row came, the oldest first."""
        self._max_rows = max_rows
        self._waiting_since = waiting_since
        self._rows = 0

    @contextmanager
    def admit(self, rows: int) -> Generator[None]:
        """Count rows while they are answered.

        Raises:
            Busy: with these there would be too many.
            TooManyRows: these alone are too many.
        """
        if rows > self._max_rows:
            raise TooManyRows(
                f"the request asks for {rows} answers, and at most {self._max_rows} are computed at once; send"
                " fewer prompts or a smaller n"
            )
        if self._rows + rows > self._max_rows:
            oldest = math.ceil(self.waiting().oldest_seconds)
            raise Busy(
                f"{self._rows} answers are in hand, and {rows} more would be over {self._max_rows}. Ask again later.",
                min(max(oldest, _SHORTEST_SECONDS), _LONGEST_SECONDS),
            )
        self._rows += rows
        try:
            yield
        finally:
            self._rows -= rows

    def waiting(self) -> Waiting:
        """The rows that wait now."""
        since = self._waiting_since()
        return Waiting(len(since), time.monotonic() - since[0] if since else 0.0)
