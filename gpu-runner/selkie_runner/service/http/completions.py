"""From a request to rows, and from answered rows to the response, in the shapes that vLLM gives."""

import asyncio
import math
import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...ports import ServedAdapter
from ...rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow, TokenLogprob
from ..runner import Runner
from .openai import ChatMessage, ChatRequest, CompletionRequest

#: what the OpenAI API says where a completion names no length
_DEFAULT_MAX_TOKENS = 16

Json = dict[str, Any]


class BadRequest(ValueError):
    """The request parses, but this model cannot answer it."""


@dataclass(frozen=True)
class _Sampling:
    n: int
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop: tuple[str, ...]
    top_logprobs: int | None

    def rows(self, prompt: Sequence[int]) -> list[DecodeRow]:
        """`n` answers to one prompt; what each draws depends on the seed and its own number only."""
        return [
            DecodeRow(
                tuple(prompt),
                self.max_tokens,
                self.temperature,
                self.top_p,
                self.seed,
                index,
                self.stop,
                self.top_logprobs,
            )
            for index in range(self.n)
        ]


async def complete(runner: Runner, adapter: ServedAdapter | None, request: CompletionRequest) -> Json:
    """Answer `/v1/completions`; raises `BadRequest` for what does not fit the model."""
    # tokenising a long text takes its time, and others wait for this thread: heartbeats too
    prompts = await asyncio.to_thread(
        lambda: [_read(runner, prompt, request.add_special_tokens) for prompt in request.prompts()]
    )
    if not prompts:
        raise BadRequest("prompt must not be an empty list")
    max_tokens = _DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens
    for _, ids in prompts:
        _check_length(runner, len(ids), max_tokens)
    sampling = _sampling(request, max_tokens, request.logprobs)
    scored, answers = await asyncio.gather(
        _score(runner, adapter, [ids for _, ids in prompts], request),
        _decode(runner, adapter, [ids for _, ids in prompts], sampling),
    )
    choices: list[Json] = []
    for (text, ids), of_prompt, echoed in zip(prompts, answers, scored, strict=True):
        for answer in of_prompt:
            logprobs: ScoredRow = [*(echoed if request.echo else ()), *answer.logprobs]
            tokens = [*(ids if request.echo else ()), *answer.tokens]
            choices.append(
                {
                    "index": len(choices),
                    "text": (text if request.echo else "") + answer.text,
                    "logprobs": None if request.logprobs is None else _completion_logprobs(runner, tokens, logprobs),
                    "finish_reason": answer.finish_reason,
                    "stop_reason": answer.stop_reason,
                }
            )
    usage = _usage(runner, [ids for _, ids in prompts], answers)
    return {**_head(runner, adapter, "cmpl", "text_completion"), "choices": choices, "usage": usage}


async def chat(runner: Runner, adapter: ServedAdapter | None, request: ChatRequest) -> Json:
    """Answer `/v1/chat/completions`; raises `BadRequest` for what does not fit the model."""
    ids = await asyncio.to_thread(chat_tokens, runner, request.messages, request.add_generation_prompt)
    room = max(1, runner.model.max_length - len(ids))
    max_tokens = request.max_completion_tokens or request.max_tokens or room
    _check_length(runner, len(ids), max_tokens)
    sampling = _sampling(request, max_tokens, (request.top_logprobs or 0) if request.logprobs else None)
    [answers] = await _decode(runner, adapter, [ids], sampling)
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": answer.text},
            "logprobs": {"content": [_chat_logprob(runner, token) for token in answer.logprobs]}
            if request.logprobs
            else None,
            "finish_reason": answer.finish_reason,
            "stop_reason": answer.stop_reason,
        }
        for index, answer in enumerate(answers)
    ]
    usage = _usage(runner, [ids], [answers])
    return {**_head(runner, adapter, "chatcmpl", "chat.completion"), "choices": choices, "usage": usage}


def text_tokens(runner: Runner, text: str, add_special_tokens: bool) -> list[int]:
    """Token ids of a text."""
    return runner.model.tokenizer.encode(text, special_tokens=add_special_tokens)


def chat_tokens(
    runner: Runner, messages: Sequence[ChatMessage], add_generation_prompt: bool, add_special_tokens: bool = False
) -> list[int]:
    """Token ids of a conversation, written with the model's chat template."""
    written = runner.model.tokenizer.render(
        [message.plain() for message in messages], add_generation_prompt=add_generation_prompt
    )
    if written is None:
        raise BadRequest(f"{runner.model.name} has no chat template; ask it by /v1/completions")
    return text_tokens(runner, written, add_special_tokens)


def _read(runner: Runner, prompt: str | list[int], add_special_tokens: bool) -> tuple[str, list[int]]:
    """A prompt as text and as token ids."""
    tokenizer = runner.model.tokenizer
    if isinstance(prompt, str):
        ids = text_tokens(runner, prompt, add_special_tokens) if prompt else []
        text = prompt
    else:
        beyond = [token for token in prompt if token >= tokenizer.vocabulary]
        if beyond:
            raise BadRequest(f"token id {beyond[0]} is outside the vocabulary of {tokenizer.vocabulary}")
        ids, text = prompt, tokenizer.decode(prompt)
    if not ids:
        raise BadRequest("prompt must not be empty")
    return text, ids


def _check_length(runner: Runner, prompt_tokens: int, max_tokens: int) -> None:
    if prompt_tokens + max_tokens > runner.model.max_length:
        raise BadRequest(
            f"This model's maximum context length is {runner.model.max_length} tokens. However, you requested"
            f" {max_tokens} output tokens and your prompt has {prompt_tokens}; shorten the prompt or lower max_tokens."
        )


def _sampling(request: CompletionRequest | ChatRequest, max_tokens: int, top_logprobs: int | None) -> _Sampling:
    return _Sampling(
        n=request.n,
        max_tokens=max_tokens,
        temperature=1.0 if request.temperature is None else request.temperature,
        top_p=1.0 if request.top_p is None else request.top_p,
        seed=secrets.randbits(63) if request.seed is None else request.seed,
        stop=request.stops(),
        top_logprobs=top_logprobs,
    )


async def _decode(
    runner: Runner, adapter: ServedAdapter | None, prompts: Sequence[Sequence[int]], sampling: _Sampling
) -> list[list[DecodedRow]]:
    """The answers to each prompt; empty ones where no token is asked."""
    if sampling.max_tokens == 0:
        nothing = DecodedRow([], "", "length", None, [])
        return [[nothing] * sampling.n for _ in prompts]
    rows = [row for prompt in prompts for row in sampling.rows(prompt)]
    answers = await runner.generator.answer(adapter, rows)
    return [answers[start : start + sampling.n] for start in range(0, len(answers), sampling.n)]


async def _score(
    runner: Runner, adapter: ServedAdapter | None, prompts: Sequence[Sequence[int]], request: CompletionRequest
) -> list[ScoredRow]:
    """The prompts' own log-probabilities; empty where they are not asked."""
    if not request.echo or request.logprobs is None:
        return [[] for _ in prompts]
    start = max(1, request.logprob_start_len)
    short = next((len(prompt) for prompt in prompts if start > len(prompt)), None)
    if short is not None:
        raise BadRequest(f"logprob_start_len is {start}, and a prompt has {short} tokens")
    rows = [ScoreRow(tuple(prompt), request.logprobs, start) for prompt in prompts]
    return await runner.scorer.answer(adapter, rows)


def _completion_logprobs(runner: Runner, tokens: Sequence[int], logprobs: ScoredRow) -> Json:
    names = [_name(runner, token) for token in tokens]
    offsets = [0]
    for name in names[:-1]:
        offsets.append(offsets[-1] + len(name))
    return {
        "tokens": names,
        "token_logprobs": [None if found is None else _finite(found.logprob) for found in logprobs],
        "top_logprobs": [None if found is None else _likeliest(runner, found) for found in logprobs],
        "text_offset": offsets,
    }


def _likeliest(runner: Runner, found: TokenLogprob) -> dict[str, float]:
    """The token itself and the likeliest in its place. Of tokens that read alike the first counts."""
    by_name: dict[str, float] = {}
    for token, logprob in ((found.token, found.logprob), *found.top):
        by_name.setdefault(_name(runner, token), _finite(logprob))
    return by_name


def _chat_logprob(runner: Runner, found: TokenLogprob) -> Json:
    def entry(token: int, logprob: float) -> Json:
        name = _name(runner, token)
        return {"token": name, "logprob": _finite(logprob), "bytes": list(name.encode())}

    return {**entry(found.token, found.logprob), "top_logprobs": [entry(*likely) for likely in found.top]}


def _finite(logprob: float) -> float:
    """JSON has no infinity; -9999 is what vLLM says for an impossible token."""
    return logprob if math.isfinite(logprob) else -9999.0


def _name(runner: Runner, token: int) -> str:
    return runner.model.tokenizer.decode([token])


def _head(runner: Runner, adapter: ServedAdapter | None, prefix: str, kind: str) -> Json:
    return {
        "id": f"{prefix}-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": runner.model.name if adapter is None else adapter.name,
    }


def _usage(runner: Runner, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[DecodedRow]]) -> Json:
    read = sum(map(len, prompts))
    produced = sum(len(answer.tokens) for of_prompt in answers for answer in of_prompt)
    runner.metrics.prompt_tokens.inc(read)
    runner.metrics.generated_tokens.inc(produced)
    return {"prompt_tokens": read, "completion_tokens": produced, "total_tokens": read + produced}
