"""From a request to what the device is asked for. Reads texts: call it from a worker thread."""

import secrets
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from ...ports import Model
from ...rows import DecodedRow, DecodeRow, ScoreRow
from .errors import BadRequest
from .openai import ChatRequest, CompletionRequest
from .prompts import Prompt, check_length, conversation_tokens, read_prompt

Number = TypeVar("Number", int, float)

#: what the OpenAI API says where a completion names no length
_DEFAULT_MAX_TOKENS: Final = 16
#: to a request for no token
NO_ANSWER: Final = DecodedRow([], "", "length", None, [])


@dataclass(frozen=True)
class Asked:
    """Rows of one request.

    Attributes:
        answers: `n` rows per prompt, in the prompts' order; none where no token is asked.
        scores: one row per prompt where the prompts' own log-probabilities are asked, else none.
    """

    prompts: list[Prompt]
    n: int
    answers: list[DecodeRow]
    scores: list[ScoreRow]


def completion_rows(model: Model, request: CompletionRequest) -> Asked:
    """Rows of a completion; raises `BadRequest` for what does not fit the model."""
    prompts = [read_prompt(model, prompt, request.add_special_tokens) for prompt in request.prompt]
    if not prompts:
        raise BadRequest("prompt must not be an empty list")
    max_tokens = _DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
    for prompt in prompts:
        check_length(model, len(prompt.ids), max_tokens)
    answers = _answers(model, request, prompts, max_tokens, request.logprobs) if max_tokens else []
    return Asked(prompts, request.n, answers, _scores(request, prompts))


def chat_rows(model: Model, request: ChatRequest) -> Asked:
    """Rows of a chat's answers; raises `BadRequest` or `TemplateRefused` for what does not fit the model."""
    ids = conversation_tokens(model, request, request.add_special_tokens)
    room = max(1, model.max_length - len(ids))
    max_tokens = request.max_completion_tokens or request.max_tokens or room
    check_length(model, len(ids), max_tokens)
    prompts = [Prompt("", tuple(ids))]
    top_logprobs = (request.top_logprobs or 0) if request.logprobs else None
    return Asked(prompts, request.n, _answers(model, request, prompts, max_tokens, top_logprobs), [])


def _answers(
    model: Model,
    request: CompletionRequest | ChatRequest,
    prompts: list[Prompt],
    max_tokens: int,
    top_logprobs: int | None,
) -> list[DecodeRow]:
    """`n` rows per prompt. With a seed a prompt's answers are the same in every request; without one all differ."""
    row = DecodeRow(
        prompt=(),
        max_tokens=max_tokens,
        temperature=_or(request.temperature, 1.0),
        top_p=_or(request.top_p, 1.0),
        top_k=max(0, request.top_k or 0),
        min_p=request.min_p or 0.0,
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        repetition_penalty=_or(request.repetition_penalty, 1.0),
        logit_bias=tuple((request.logit_bias or {}).items()),
        min_tokens=request.min_tokens or 0,
        ignore_eos=bool(request.ignore_eos),
        stop=request.stops(),
        top_logprobs=top_logprobs,
    )
    _check_sampling(model, row)
    return [
        replace(row, prompt=prompt.ids, seed=seed, index=index)
        for prompt in prompts
        for seed in [_or(request.seed, secrets.randbits(63))]
        for index in range(request.n)
    ]


def _check_sampling(model: Model, row: DecodeRow) -> None:
    beyond = next((token for token, _ in row.logit_bias if token >= model.tokenizer.vocabulary), None)
    if beyond is not None:
        raise BadRequest(f"logit_bias: token id {beyond} is outside the vocabulary of {model.tokenizer.vocabulary}")
    if row.min_tokens > row.max_tokens:
        raise BadRequest(f"min_tokens is {row.min_tokens}, and max_tokens is {row.max_tokens}")


def _or(value: Number | None, default: Number) -> Number:
    return default if value is None else value


def _scores(request: CompletionRequest, prompts: list[Prompt]) -> list[ScoreRow]:
    if not request.echo or request.logprobs is None:
        return []
    start = max(1, request.logprob_start_len)
    short = next((len(prompt.ids) for prompt in prompts if start > len(prompt.ids)), None)
    if short is not None:
        raise BadRequest(f"logprob_start_len is {start}, and a prompt has {short} tokens")
    return [ScoreRow(prompt.ids, request.logprobs, start) for prompt in prompts]
