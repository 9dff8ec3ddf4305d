"""What waits for the device, and when that is too much: rows are computed in the order of their coming."""

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

#: bounds of what a client is told to wait before it asks again
_SHORTEST_SECONDS: Final = 1
_LONGEST_SECONDS: Final = 60


class Busy(RuntimeError):  # noqa: N818 - a state, not a fault
    """So many rows are in hand that no more are taken."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Waiting:
    """Rows that no pass has begun, and how long the oldest of them has waited."""

    rows: int
    oldest_seconds: float


class Admission:
    """Counts the rows that HTTP has in hand, waiting or under way, and refuses those beyond a bound."""

    def __init__(self, most_rows: int, waiting_since: Callable[[], Sequence[float]]) -> None:
        """Admit so many; `waiting_since` says when each row that waits came, the oldest first."""
        self._most_rows = most_rows
        self._waiting_since = waiting_since
        self._rows = 0

    @contextmanager
    def admit(self, rows: int) -> Generator[None]:
        """Count rows while they are answered. A request that is alone is admitted whatever its size.

        Raises:
            Busy: with these there would be too many.
        """
        if self._rows and self._rows + rows > self._most_rows:
            oldest = math.ceil(self.waiting().oldest_seconds)
            raise Busy(
                f"{self._rows} answers are in hand, and {rows} more would be over {self._most_rows}. Ask again later.",
                min(max(oldest, _SHORTEST_SECONDS), _LONGEST_SECONDS),
            )
        self._rows += rows
        try:
            yield
        finally:
            self._rows -= rows

    def waiting(self) -> Waiting:
        """As it is now."""
        since = self._waiting_since()
        return Waiting(len(since), time.monotonic() - since[0] if since else 0.0)
