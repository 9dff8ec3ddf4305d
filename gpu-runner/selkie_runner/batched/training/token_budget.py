"""Finds the smallest number of tokens per step that reaches nearly the device's best rate.

More tokens than that only delay every job's next step. Both the search and what a failed allocation took away are tried
again after some steps: other work on the machine comes and goes.
"""

import math

#: a larger step must be this much faster per token to be worth its latency
MIN_SPEEDUP = 1.05
#: full enough to judge a size by
MIN_FULLNESS = 0.75
#: the best of `TIMINGS` counts, because other work on the machine only ever slows a step
TIMINGS = 3
MIN_TOKENS = 64
#: steps without a failed allocation after which one halving is undone; doubled with each failure between good steps
RECOVERY_STEPS = 32
MAX_RECOVERY_STEPS = 4096
#: full steps of the found size after which the search starts again
SEARCH_AGAIN_STEPS = 512


class TokenBudget:
    """A number of tokens that climbs while larger steps pay, and is halved for a while when memory runs out."""

    def __init__(self, tokens: int, *, fixed: bool, max_seconds: float = math.inf, pass_tokens: int = 0) -> None:
        """Start with `tokens`; unless `fixed`, climb while a step takes at most `max_seconds`."""
        self._tokens = tokens
        self._pass_tokens = max(tokens, pass_tokens)
        self._max_seconds = max_seconds
        self._fixed = fixed
        self._climbing = not fixed
        self._rate = 0.0
        self._timings: list[float] = []
        #: full steps since the search ended
        self._settled_steps = 0
        #: failed allocations that are not undone yet
        self._halvings = 0
        self._steps_since_failure = 0
        self._recovery_steps = RECOVERY_STEPS

    @property
    def tokens(self) -> int:
        """What a step may hold now. A job whose own step is larger takes it alone."""
        return self._halved(self._tokens)

    @property
    def pass_tokens(self) -> int:
        """The size above which such a step is split into passes.

        It may be well above `tokens`: rows share a prefix only within a pass.
        """
        return self._halved(self._pass_tokens)

    def timed(self, tokens: int, seconds: float) -> None:
        """Learn from a finished step."""
        self._recover()
        if self._fixed or self._halvings or tokens < MIN_FULLNESS * self._tokens:
            return
        if self._climbing:
            self._judge(tokens / seconds)
        else:
            self._settled_steps += 1
            if self._settled_steps >= SEARCH_AGAIN_STEPS:
                # the rate of the present size is measured again too
                self._climbing, self._rate, self._settled_steps = True, 0.0, 0

    def shrink(self) -> bool:
        """Halve after a failed allocation; false when there is nothing left to halve."""
        if self.pass_tokens <= MIN_TOKENS:
            return False
        self._halvings += 1
        self._timings.clear()
        if self._steps_since_failure:
            self._recovery_steps = min(2 * self._recovery_steps, MAX_RECOVERY_STEPS)
        self._steps_since_failure = 0
        return True

    def _halved(self, tokens: int) -> int:
        return max(min(tokens, MIN_TOKENS), tokens >> self._halvings)

    def _recover(self) -> None:
        self._steps_since_failure += 1
        if self._steps_since_failure < self._recovery_steps:
            return
        self._steps_since_failure = 0
        if self._halvings:
            self._halvings -= 1
        else:
            self._recovery_steps = RECOVERY_STEPS

    def _judge(self, rate: float) -> None:
        self._timings.append(rate)
        if len(self._timings) < TIMINGS:
            return
        rate = max(self._timings)
        self._timings.clear()
        if rate < MIN_SPEEDUP * self._rate:
            self._tokens //= 2
            self._climbing = False
        elif 2 * self._tokens / rate > self._max_seconds:
            self._climbing = False
        else:
            self._rate = rate
            self._tokens *= 2
            self._pass_tokens = max(self._pass_tokens, self._tokens)
