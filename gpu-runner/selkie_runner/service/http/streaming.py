"""Answers as they come: server-sent events in the shapes that OpenAI and vLLM give."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ...logs import event
from ...ports import ServedAdapter
from ...rows import AnswerDelta, DecodedRow
from ..runner import Runner
from .asked import NO_ANSWER, Asked, chat_rows, completion_rows
from .chunks import ChatChunks, Chunks, CompletionChunks
from .errors import error_object
from .head import count_tokens, head_of, usage_of
from .openai import ChatRequest, CompletionRequest

logger = logging.getLogger(__name__)

Json = dict[str, Any]
Events = AsyncGenerator[bytes, None]
#: the number of a choice, and what comes of it: deltas, then the whole answer
Part = tuple[int, AnswerDelta | DecodedRow]

_DONE: Final = b"data: [DONE]\n\n"


class EventStream(StreamingResponse):
    """A response of events. When the client goes, they end at once, and with them the rows that they come from."""

    def __init__(self, first: bytes, rest: Events) -> None:
        self._rest = rest
        super().__init__(_chain(first, rest), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._rest.aclose()


async def begin(events: Events) -> EventStream:
    """The response, once it has something to send: what fails before that is answered with its own status."""
    return EventStream(await anext(events), events)


async def stream_completion(runner: Runner, adapter: ServedAdapter | None, request: CompletionRequest) -> Events:
    """Answer `/v1/completions` in events; raises as `complete` does before the first."""
    with runner.admission.admit(request.rows()):
        asked = await asyncio.to_thread(completion_rows, runner.model, request)
        scores = await runner.scorer.answer(adapter, asked.scores) if asked.scores else []
        chunks = CompletionChunks(runner.model.tokenizer, request, asked, scores)
        async with aclosing(_events(_bodies(runner, adapter, request, asked, chunks))) as events:
            async for one in events:
                yield one


async def stream_chat(runner: Runner, adapter: ServedAdapter | None, request: ChatRequest) -> Events:
    """Answer `/v1/chat/completions` in events; raises as `chat` does before the first."""
    with runner.admission.admit(request.rows()):
        asked = await asyncio.to_thread(chat_rows, runner.model, request)
        chunks = ChatChunks(runner.model.tokenizer, request)
        async with aclosing(_events(_bodies(runner, adapter, request, asked, chunks))) as events:
            async for one in events:
                yield one


async def _events(bodies: AsyncGenerator[Json, None]) -> Events:
    """Events of these bodies; an error after the first is the last event before the end."""
    begun = False
    async with aclosing(bodies):
        try:
            async for body in bodies:
                yield _event(body)
                begun = True
        except Exception as error:
            if not begun:
                raise
            event(logger, logging.ERROR, "stream_failed", exc_info=True)
            yield _event(error_object(error))
    yield _DONE


async def _bodies(
    runner: Runner,
    adapter: ServedAdapter | None,
    request: CompletionRequest | ChatRequest,
    asked: Asked,
    chunks: Chunks,
) -> AsyncGenerator[Json, None]:
    """One body per part of a choice, and at the end the usage where it is asked."""
    head = head_of(runner, adapter, chunks.kind)
    no_usage = {"usage": None} if request.include_usage else {}
    begun = set[int]()
    answers: list[DecodedRow] = []
    async with aclosing(_parts(runner, adapter, asked)) as parts:
        async for at, part in parts:
            written: list[Json | None] = []
            if at not in begun:
                begun.add(at)
                # may be a long prompt with the names of its tokens
                written.append(await asyncio.to_thread(chunks.opening, at))
            if isinstance(part, DecodedRow):
                answers.append(part)
                written.append(chunks.ending(at, part))
            else:
                written.append(chunks.delta(at, part))
            for choice in written:
                if choice is not None:
                    yield {**head, "choices": [choice], **no_usage}
    usage = usage_of(asked, answers)
    count_tokens(runner, usage)
    if request.include_usage:
        yield {**head, "choices": [], "usage": usage}


async def _parts(runner: Runner, adapter: ServedAdapter | None, asked: Asked) -> AsyncGenerator[Part, None]:
    """Parts of all choices in the order in which they come. Closing this drops the rows at the device's next step."""
    if not asked.answers:
        for at in range(len(asked.prompts) * asked.n):
            yield at, NO_ANSWER
        return
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[tuple[int, AnswerDelta | DecodedRow | Exception]] = asyncio.Queue()

    async def answer(at: int) -> None:
        def arrive(part: AnswerDelta | DecodedRow | Exception) -> None:
            loop.call_soon_threadsafe(arrived.put_nowait, (at, part))

        # the end takes the way of the deltas, so that it comes after them
        try:
            [done] = await runner.generator.answer(adapter, [replace(asked.answers[at], on_delta=arrive)])
        except Exception as error:
            arrive(error)
        else:
            arrive(done)

    # a row by itself, so that its end is known while others go on
    tasks = [asyncio.create_task(answer(at)) for at in range(len(asked.answers))]
    try:
        under_way = len(tasks)
        while under_way:
            at, part = await arrived.get()
            if isinstance(part, Exception):
                raise part
            under_way -= isinstance(part, DecodedRow)
            yield at, part
    finally:
        for task in tasks:
            task.cancel()


async def _chain(first: bytes, rest: Events) -> Events:
    yield first
    async for one in rest:
        yield one


def _event(body: Json) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
