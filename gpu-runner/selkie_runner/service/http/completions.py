"""Answers in one piece, in the shapes that vLLM gives."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fastapi.responses import JSONResponse, Response

from ...ports import Answering, ServedAdapter, Tokenizer
from ...rows import DecodedRow, ScoredRow
from ..runner import Runner
from .asked import NO_ANSWER, Asked, chat_rows, completion_rows
from .head import count_tokens, head_of, usage_of
from .openai import ChatRequest, CompletionRequest
from .token_names import chat_logprob, completion_logprobs

Json = dict[str, Any]
Row = TypeVar("Row")
Out = TypeVar("Out")


async def complete(runner: Runner, adapter: ServedAdapter | None, request: CompletionRequest) -> Response:
    """Answer `/v1/completions`; raises `BadRequest` for what does not fit the model."""
    with runner.admission.admit(request.rows()):
        asked = await asyncio.to_thread(completion_rows, runner.model, request)
        scores, answers = await asyncio.gather(
            _answered(runner.scorer, adapter, asked.scores), _answered(runner.generator, adapter, asked.answers)
        )
    usage = usage_of(asked, answers)
    count_tokens(runner, usage)

    def written() -> Json:
        choices = _completion_choices(runner.model.tokenizer, request, asked, scores, answers)
        return {**head_of(runner, adapter, "text_completion"), "choices": choices, "usage": usage}

    return await _respond(written)


async def chat(runner: Runner, adapter: ServedAdapter | None, request: ChatRequest) -> Response:
    """Answer `/v1/chat/completions`; raises `BadRequest` or `TemplateRefused` for what does not fit the model."""
    with runner.admission.admit(request.rows()):
        asked = await asyncio.to_thread(chat_rows, runner.model, request)
        answers = await runner.generator.answer(adapter, asked.answers)
    usage = usage_of(asked, answers)
    count_tokens(runner, usage)

    def written() -> Json:
        choices = [_chat_choice(runner.model.tokenizer, request, *numbered) for numbered in enumerate(answers)]
        return {**head_of(runner, adapter, "chat.completion"), "choices": choices, "usage": usage}

    return await _respond(written)


async def _answered(port: Answering[Row, Out], adapter: ServedAdapter | None, rows: Sequence[Row]) -> list[Out]:
    """The rows' answers; the device is not asked for none."""
    return await port.answer(adapter, rows) if rows else []


async def _respond(written: Callable[[], Json]) -> Response:
    """Write an answer on a worker thread: naming its tokens takes long when there are many."""
    return await asyncio.to_thread(lambda: JSONResponse(written()))


def _completion_choices(
    tokenizer: Tokenizer,
    request: CompletionRequest,
    asked: Asked,
    scores: Sequence[ScoredRow],
    answers: Sequence[DecodedRow],
) -> list[Json]:
    choices: list[Json] = []
    for at in range(len(asked.prompts) * asked.n):
        prompt, answer = asked.prompts[at // asked.n], answers[at] if answers else NO_ANSWER
        scored = scores[at // asked.n] if scores else []
        tokens = [*(prompt.ids if request.echo else ()), *answer.tokens]
        logprobs = [*scored, *answer.logprobs]
        choices.append(
            {
                "index": at,
                "text": (prompt.text if request.echo else "") + answer.text,
                "logprobs": None if request.logprobs is None else completion_logprobs(tokenizer, tokens, logprobs),
                "finish_reason": answer.finish_reason,
                "stop_reason": answer.stop_reason,
            }
        )
    return choices


def _chat_choice(tokenizer: Tokenizer, request: ChatRequest, index: int, answer: DecodedRow) -> Json:
    content = [chat_logprob(tokenizer, found) for found in answer.logprobs]
    return {
        "index": index,
        "message": {"role": "assistant", "content": answer.text},
        "logprobs": {"content": content} if request.logprobs else None,
        "finish_reason": answer.finish_reason,
        "stop_reason": answer.stop_reason,
    }
