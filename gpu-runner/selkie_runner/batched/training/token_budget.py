"""Finds the smallest number of tokens per step that reaches nearly the device's best rate.

More tokens than that only delay every job's next step.
"""

import math

#: a larger step must be this much faster per token to be worth its latency
MIN_SPEEDUP = 1.05
#: full enough to judge a size by
MIN_FULLNESS = 0.75
#: the best of `TIMINGS` counts, because other work on the machine only ever slows a step
TIMINGS = 3
MIN_TOKENS = 64


class TokenBudget:
    """A number of tokens that climbs while larger steps pay, and falls when memory runs out.

    Attributes:
        tokens: what a step may hold now. A job whose own step is larger takes it alone.
        pass_tokens: the size above which such a step is split into passes. It may be well above `tokens`: rows share a
            prefix only within a pass.
    """

    def __init__(self, tokens: int, *, fixed: bool, max_seconds: float = math.inf, pass_tokens: int = 0) -> None:
        """Start with `tokens`; unless `fixed`, climb while a step takes at most `max_seconds`."""
        self.tokens = tokens
        self.pass_tokens = max(tokens, pass_tokens)
        self._max_seconds = max_seconds
        self._climbing = not fixed
        self._rate = 0.0
        self._timings: list[float] = []

    def timed(self, tokens: int, seconds: float) -> None:
        """Learn from a finished step."""
        if not self._climbing or tokens < MIN_FULLNESS * self.tokens:
            return
        self._timings.append(tokens / seconds)
        if len(self._timings) < TIMINGS:
            return
        rate = max(self._timings)
        self._timings.clear()
        if rate < MIN_SPEEDUP * self._rate:
            self.tokens //= 2
            self._climbing = False
        else:
            self._rate = rate
            self._climb()

    def _climb(self) -> None:
        if 2 * self.tokens / self._rate > self._max_seconds:
            self._climbing = False
        else:
            self.tokens *= 2
            self.pass_tokens = max(self.pass_tokens, self.tokens)

    def shrink(self) -> bool:
        """Halve after a failed allocation; false when there is nothing left to halve."""
        if self.pass_tokens <= MIN_TOKENS:
            return False
        self.tokens = max(MIN_TOKENS, self.tokens // 2)
        self.pass_tokens = max(MIN_TOKENS, self.pass_tokens // 2)
        self._climbing = False
        return True
