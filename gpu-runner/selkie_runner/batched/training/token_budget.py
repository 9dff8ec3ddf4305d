"""Finds how many tokens a step should hold on this device: as few as reach nearly its best rate.

More tokens than that only make every job wait longer for its next step.
"""

import math

#: a larger step must be this much faster per token to be worth its latency
WORTHWHILE = 1.05
#: full enough to judge a size by
FULL = 0.75
#: the best of so many timings counts, because other work on the machine only ever slows a step
TIMINGS = 3
SMALLEST = 64


class TokenBudget:
    """A number of tokens that climbs while larger steps pay, and falls when memory runs out.

    Attributes:
        tokens: what a step may hold now. A job whose own step is larger takes it alone.
        pass_tokens: where such a step is split into several passes. It may be well above `tokens`: a job's rows share
            their common beginning only within a pass.
    """

    def __init__(self, tokens: int, *, fixed: bool, most_seconds: float = math.inf, pass_tokens: int = 0) -> None:
        """Begin with `tokens`; climb, unless `fixed`, to no step that takes more than `most_seconds`."""
        self.tokens = tokens
        self.pass_tokens = max(tokens, pass_tokens)
        self._most_seconds = most_seconds
        self._climbing = not fixed
        self._rate = 0.0
        self._timings: list[float] = []

    def timed(self, tokens: int, seconds: float) -> None:
        """Learn from a finished step."""
        if not self._climbing or tokens < FULL * self.tokens:
            return
        self._timings.append(tokens / seconds)
        if len(self._timings) < TIMINGS:
            return
        rate = max(self._timings)
        self._timings.clear()
        if rate < WORTHWHILE * self._rate:
            self.tokens //= 2
            self._climbing = False
        else:
            self._rate = rate
            self._climb()

    def _climb(self) -> None:
        if 2 * self.tokens / self._rate > self._most_seconds:
            self._climbing = False
        else:
            self.tokens *= 2
            self.pass_tokens = max(self.pass_tokens, self.tokens)

    def shrink(self) -> bool:
        """Halve after a failed allocation; false when there is nothing left to halve."""
        if self.pass_tokens <= SMALLEST:
            return False
        self.tokens = max(SMALLEST, self.tokens // 2)
        self.pass_tokens = max(SMALLEST, self.pass_tokens // 2)
        self._climbing = False
        return True
