"""Answers in parts: put together they are the answer, and a client that goes ends them."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from selkie_runner.errors import Diverged
from selkie_runner.ports import ServedAdapter
from selkie_runner.rows import AnswerDelta, DecodedRow, DecodeRow
from selkie_runner.service.admission import Admission, Busy
from selkie_runner.service.http.app import create_app
from selkie_runner.service.runner import Runner
from selkie_runner.service.torch_runner import TorchRunner
from support.service import running

QUESTION = {"messages": [{"role": "user", "content": "Where?"}], "max_tokens": 24, "temperature": 1.0, "seed": 5}
PROMPT = {"prompt": ["seal", "The sea"], "max_tokens": 24, "temperature": 1.0, "seed": 5}


@pytest.fixture(scope="module", params=[True, False], ids=["together", "per adapter"])
def runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[TorchRunner]:
    with running(tmp_path_factory.mktemp("runner"), batched=request.param) as parts:
        yield parts


@asynccontextmanager
async def client_of(runner: Runner) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(runner), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://runner", timeout=60) as client:
        yield client


def post(runner: Runner, path: str, body: dict[str, Any]) -> httpx.Response:
    async def run() -> httpx.Response:
        async with client_of(runner) as client:
            return await client.post(path, json=body)

    return asyncio.run(run())


def events_of(runner: Runner, path: str, body: dict[str, Any]) -> list[Any]:
    answer = post(runner, path, {**body, "stream": True})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = answer.text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


def whole(runner: Runner, path: str, body: dict[str, Any]) -> Any:
    answer = post(runner, path, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def joined(lists: Sequence[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    return {name: [value for one in lists for value in one[name]] for name in lists[0]}


@pytest.mark.parametrize(
    "more", [{}, {"n": 2}, {"stop": ["e"]}, {"logprobs": 2}, {"logprobs": 1, "echo": True}], ids=str
)
def test_parts_of_a_completion_are_the_completion(runner: TorchRunner, more: dict[str, Any]):
    body = {**PROMPT, **more}
    expected, events = whole(runner, "/v1/completions", body), events_of(runner, "/v1/completions", body)
    assert {(event["object"], event["model"], event["id"]) for event in events} == {
        ("text_completion", "tiny", events[0]["id"])
    }
    for choice in expected["choices"]:
        parts = [event["choices"][0] for event in events if event["choices"][0]["index"] == choice["index"]]
        assert "".join(part["text"] for part in parts) == choice["text"]
        assert [part["finish_reason"] for part in parts] == [None] * (len(parts) - 1) + [choice["finish_reason"]]
        assert parts[-1]["stop_reason"] == choice["stop_reason"]
        if "logprobs" in more:
            logprobs = joined([part["logprobs"] for part in parts[:-1]])
            assert logprobs["tokens"] == choice["logprobs"]["tokens"]
            assert logprobs["text_offset"] == choice["logprobs"]["text_offset"]
            wanted = [0 if one is None else one for one in choice["logprobs"]["token_logprobs"]]
            found = [0 if one is None else one for one in logprobs["token_logprobs"]]
            assert found == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("more", [{}, {"n": 3}, {"logprobs": True, "top_logprobs": 2}], ids=str)
def test_parts_of_a_chat_are_the_chat(runner: TorchRunner, more: dict[str, Any]):
    body = {**QUESTION, **more}
    expected, events = whole(runner, "/v1/chat/completions", body), events_of(runner, "/v1/chat/completions", body)
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    for choice in expected["choices"]:
        parts = [event["choices"][0] for event in events if event["choices"][0]["index"] == choice["index"]]
        assert parts[0]["delta"] == {"role": "assistant", "content": ""}
        assert "".join(part["delta"].get("content", "") for part in parts) == choice["message"]["content"]
        assert [part["finish_reason"] for part in parts] == [None] * (len(parts) - 1) + [choice["finish_reason"]]
        if "logprobs" in more:
            content = [entry for part in parts if part["logprobs"] for entry in part["logprobs"]["content"]]
            assert [one["bytes"] for one in content] == [one["bytes"] for one in choice["logprobs"]["content"]]


def test_usage_comes_last_where_it_is_asked(runner: TorchRunner):
    for path, body in (("/v1/completions", {**PROMPT, "n": 2}), ("/v1/chat/completions", {**QUESTION, "n": 2})):
        *parts, last = events_of(runner, path, {**body, "stream_options": {"include_usage": True}})
        assert all(part["usage"] is None for part in parts)
        assert last["choices"] == []
        assert last["usage"] == whole(runner, path, body)["usage"]
        assert all("usage" not in event for event in events_of(runner, path, body))


def test_a_prompt_is_repeated_where_no_token_is_asked(runner: TorchRunner):
    body = {"prompt": "seal", "echo": True, "max_tokens": 0, "logprobs": 0}
    first, last = (event["choices"][0] for event in events_of(runner, "/v1/completions", body))
    assert (first["text"], last["finish_reason"]) == ("seal", "length")
    assert len(first["logprobs"]["tokens"]) == 4


def test_what_cannot_be_answered_has_its_own_status(runner: TorchRunner):
    for body, status in (
        ({"prompt": "x", "max_tokens": 1000}, 400),
        ({"prompt": "x", "model": "who"}, 404),
        ({"prompt": "x", "stream_options": {"usage": 1}}, 400),
    ):
        answer = post(runner, "/v1/completions", {**body, "stream": True})
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == status
    answer = post(runner, "/v1/completions", {"prompt": "x", "stream_options": {"include_usage": True}})
    assert "stream_options: only for stream: true" in answer.json()["error"]["message"]


class Breaking:
    """A generator that fails, after `tokens` of each row."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens

    async def answer(self, adapter: ServedAdapter | None, rows: Sequence[DecodeRow]) -> list[DecodedRow]:
        for row in rows:
            for _ in range(self._tokens):
                assert row.on_delta is not None
                row.on_delta(AnswerDelta("x", (70,), ()))
        raise Diverged("no numbers")


def test_an_error_after_the_first_part_is_the_last_event(runner: TorchRunner):
    *parts, last = events_of(replace(runner, generator=Breaking(2)), "/v1/completions", {"prompt": "x"})
    assert [part["choices"][0]["text"] for part in parts] == ["x", "x"]
    assert last == {"error": {"message": "no numbers", "type": "InternalServerError", "param": None, "code": 500}}


class AtOnce:
    """A generator that never waits, as the simulated one."""

    async def answer(self, adapter: ServedAdapter | None, rows: Sequence[DecodeRow]) -> list[DecodedRow]:
        for row in rows:
            assert row.on_delta is not None
            row.on_delta(AnswerDelta("x", (70,), ()))
        return [DecodedRow([70], "x", "length", None, []) for _ in rows]


def test_the_end_comes_after_what_it_ends(runner: TorchRunner):
    parts = events_of(replace(runner, generator=AtOnce()), "/v1/completions", {"prompt": "seal", "n": 2})
    for at in range(2):
        choices = [part["choices"][0] for part in parts if part["choices"][0]["index"] == at]
        assert [(one["text"], one["finish_reason"]) for one in choices] == [("x", None), ("", "length")]


def test_an_error_before_the_first_part_is_an_answer(runner: TorchRunner):
    answer = post(replace(runner, generator=Breaking(0)), "/v1/chat/completions", {**QUESTION, "stream": True})
    assert (answer.status_code, answer.json()["error"]["message"]) == (500, "no numbers")


@pytest.mark.parametrize("batched", [True, False])
def test_a_client_that_goes_in_the_middle_frees_its_rows(tmp_path: Path, batched: bool):
    """Over a socket: what disconnects is a connection."""

    body = {"prompt": "seal", "max_tokens": 250, "n": 8, "temperature": 1.0, "stream": True}

    async def scenario(runner: TorchRunner) -> None:
        async with served(runner) as url, httpx.AsyncClient(timeout=60) as client:
            # all rows that the bound allows, twice
            for _ in range(2):
                async with client.stream("POST", f"{url}/v1/completions", json=body) as answer:
                    assert answer.status_code == 200
                    async for _ in answer.aiter_lines():
                        break
                while not is_free(runner.admission, 8):
                    await asyncio.sleep(0.01)
            busy = -1.0
            while busy != (busy := runner.device.busy_seconds["decode"]):
                await asyncio.sleep(0.05)

    with running(tmp_path, batched=batched, max_rows=8) as runner:
        asyncio.run(asyncio.wait_for(scenario(runner), 60))


@asynccontextmanager
async def served(runner: Runner) -> AsyncGenerator[str]:
    """The app behind a socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(runner), log_config=None))
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


def is_free(admission: Admission, rows: int) -> bool:
    try:
        with admission.admit(rows):
            return True
    except Busy:
        return False
