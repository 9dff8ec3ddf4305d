"""What is asked of a model and what it answers, whichever engine computes it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class TokenLogprob:
    """A token's log-probability under the model, before temperature, and the likeliest tokens in its place."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class AnswerDelta:
    """What one step added to an answer.

    Attributes:
        text: empty where the token ends inside a character, or where what follows may complete a stop string.
        tokens: one, an end token or a token of a stop string too.
        logprobs: of `tokens`; empty where none are asked.
    """

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...]


@dataclass(frozen=True)
class DecodeRow:
    """One answer to produce. Sampling parameters mean what they mean in vLLM's `SamplingParams`, in vLLM's order.

    The model's logits pass: `logit_bias`, `min_tokens`, `repetition_penalty`, `frequency_penalty`, `presence_penalty`;
    the likeliest token is the greedy choice. A random choice then applies `temperature`, `min_p`, `top_k`, `top_p`,
    each of which sees the chances that the one before it left, scaled to a sum of 1.
    https://github.com/vllm-project/vllm/blob/main/vllm/v1/sample/sampler.py

    Attributes:
        prompt: token ids, at least one.
        temperature: 0 takes the likeliest token.
        top_p: keeps the fewest likeliest tokens that together have this chance; 1 keeps all.
        seed: with `index` it decides the row's random numbers.
        index: the row's number among the answers to one prompt.
        stop: the answer ends before the first of these strings.
        top_logprobs: also report this many likeliest tokens of each step; None reports no log-probabilities.
        top_k: keeps this many likeliest tokens; 0 keeps all.
        min_p: keeps tokens with at least this part of the likeliest token's chance; 0 keeps all.
        presence_penalty: is subtracted from the logit of each token that the answer has.
        frequency_penalty: is subtracted from a token's logit once per occurrence in the answer.
        repetition_penalty: above 0; divides the positive and multiplies the negative logits of each token that the
            prompt or the answer has; 1 changes nothing.
        logit_bias: (token, addend of its logit), each token once.
        min_tokens: no end token and no stop string ends the answer before it has this many tokens.
        ignore_eos: the model's end tokens end nothing.
        on_delta: is called with what each step adds to the answer, between two passes and on any thread; it must
            neither block nor raise. The deltas together are the answer. The last call comes before the answer or its
            error; a row that is dropped may be called once more.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    index: int = 0
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    min_tokens: int = 0
    ignore_eos: bool = False
    on_delta: Callable[[AnswerDelta], None] | None = field(default=None, compare=False)


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
