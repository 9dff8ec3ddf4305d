"""What is asked of a model and what it answers, whichever engine computes it."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class DecodeRow:
    """One answer to produce.

    Attributes:
        prompt: token ids, at least one.
        temperature: 0 takes the likeliest token.
        index: the row's number among the answers to one prompt; with `seed` it decides the row's random numbers.
        stop: the answer ends before the first of these strings.
        top_logprobs: also report this many likeliest tokens of each step; None reports no log-probabilities.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    index: int = 0
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None


@dataclass(frozen=True)
class TokenLogprob:
    """A token's log-probability under the model, before temperature, and the likeliest tokens in its place."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class DecodedRow:
    """An answer. `tokens` has every token produced, an end token or a stop string's tokens too; `text` has neither."""

    tokens: list[int]
    text: str
    finish_reason: FinishReason
    stop_reason: str | None
    logprobs: list[TokenLogprob]


@dataclass(frozen=True)
class ScoreRow:
    """Token ids whose log-probabilities are asked, each given those before it.

    Attributes:
        start: the first token that is asked for; the ones before it are only read. At least 1: the first token has
            nothing before it.
    """

    tokens: tuple[int, ...]
    top_logprobs: int = 0
    start: int = 1


#: None for the tokens before `start`
ScoredRow = list[TokenLogprob | None]
