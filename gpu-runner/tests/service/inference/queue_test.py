"""What waits for the device over HTTP: it is counted, bounded, told, and given up when its client has gone."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from selkie_runner.service import admission as admission_module
from selkie_runner.service.admission import Admission, Busy, TooManyRows
from selkie_runner.service.device.cpu_share import CpuSharing
from selkie_runner.service.http.app import create_app
from selkie_runner.service.huggingface_tokenizer import HuggingFaceTokenizer
from selkie_runner.service.torch_runner import TorchRunner
from support.service import running, tiny_model

BODY = {"prompt": "seal", "max_tokens": 200, "temperature": 1.0}


@contextmanager
def held(runner: TorchRunner) -> Generator[None]:
    """Nothing is computed meanwhile."""
    let_go = threading.Event()
    runner.device.call(let_go.wait, name="hold")
    try:
        yield
    finally:
        let_go.set()


@asynccontextmanager
async def client_of(runner: TorchRunner) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(runner), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://runner", timeout=60) as client:
        yield client


async def until_waiting(runner: TorchRunner, rows: int) -> None:
    while runner.admission.waiting().rows != rows:
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("batched", [True, False])
def test_requests_beyond_the_bound_are_told_to_come_again(tmp_path: Path, batched: bool):
    async def scenario(runner: TorchRunner) -> None:
        async with client_of(runner) as client:
            with held(runner):
                taken = [asyncio.create_task(client.post("/v1/completions", json={**BODY, "n": 3})) for _ in range(2)]
                await until_waiting(runner, 6)
                refused = await client.post("/v1/completions", json={**BODY, "n": 3})
                fits = asyncio.create_task(client.post("/v1/completions", json={**BODY, "n": 2}))
                await until_waiting(runner, 8)
                scored = {"prompt": "seal", "echo": True, "logprobs": 0, "max_tokens": 0}
                assert (await client.post("/v1/completions", json=scored)).status_code == 429
                message = {"messages": [{"role": "user", "content": "Where?"}], "max_tokens": 2}
                assert (await client.post("/v1/chat/completions", json=message)).status_code == 429
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
            error = refused.json()["error"]
            assert (error["code"], error["type"]) == (429, "Too Many Requests")
            assert "6 answers are in hand" in error["message"]
            assert [answer.status_code for answer in await asyncio.gather(*taken, fits)] == [200] * 3
            assert (await client.post("/v1/completions", json=scored)).status_code == 200

    with running(tmp_path, batched=batched, max_rows=8) as runner:
        asyncio.run(asyncio.wait_for(scenario(runner), 60))


def test_health_and_metrics_say_what_waits(tmp_path: Path):
    async def scenario(runner: TorchRunner) -> None:
        async with client_of(runner) as client:
            idle = (await client.get("/health")).json()
            assert idle == {"status": "ok", "waiting": {"rows": 0, "oldestSeconds": 0.0}}
            runner.device.divide(CpuSharing(2))
            with held(runner):
                asked = asyncio.create_task(client.post("/v1/completions", json={**BODY, "n": 2}))
                await until_waiting(runner, 2)
                await asyncio.sleep(0.2)
                busy = (await client.get("/health")).json()
                metrics = (await client.get("/metrics")).text
            assert busy["waiting"]["rows"] == 2
            assert busy["waiting"]["oldestSeconds"] >= 0.1
            assert busy["cores"] == {"status": "free", "takenByOthers": 0.0, "threads": 2}
            assert "selkie_rows_waiting 2.0" in metrics
            [oldest] = [line for line in metrics.splitlines() if line.startswith("selkie_rows_waiting_oldest_seconds ")]
            assert float(oldest.split()[-1]) >= 0.1
            assert (await asked).status_code == 200

    with running(tmp_path) as runner:
        asyncio.run(asyncio.wait_for(scenario(runner), 60))


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("begun", [True, False])
def test_a_client_that_goes_frees_its_rows_at_once(tmp_path: Path, batched: bool, begun: bool):
    async def scenario(runner: TorchRunner) -> None:
        client = AsgiClient({**BODY, "n": 64})
        answered = asyncio.create_task(client.ask(runner))
        if begun:
            while not runner.device.busy_seconds["decode"]:
                await asyncio.sleep(0.005)
            client.gone.set()
            await answered
        else:
            with held(runner):
                await until_waiting(runner, 64)
                client.gone.set()
                await answered
                await until_waiting(runner, 0)
        # HTTP holds no request any more, and the device stops at its next step
        with runner.admission.admit(64):
            pass
        busy = -1.0
        while busy != (busy := runner.device.busy_seconds["decode"]):
            await asyncio.sleep(0.05)

    with running(tmp_path, batched=batched, max_rows=64) as runner:
        asyncio.run(asyncio.wait_for(scenario(runner), 30))


CHAT = {"messages": [{"role": "user", "content": "Where?"}]}


@pytest.mark.parametrize(
    ("path", "body", "work"),
    [
        ("/v1/completions", {**BODY, "max_tokens": 2}, "encode"),
        ("/v1/completions", {"prompt": [70, 71], "max_tokens": 2}, "decode"),
        ("/v1/completions", {**BODY, "max_tokens": 2, "logprobs": 1}, "token_bytes"),
        ("/v1/chat/completions", {**CHAT, "max_tokens": 2}, "render"),
        ("/v1/chat/completions", {**CHAT, "max_tokens": 2, "logprobs": True}, "token_bytes"),
        ("/tokenize", {"prompt": "seal"}, "encode"),
        ("/tokenize", CHAT, "render"),
    ],
    ids=str,
)
def test_work_on_a_long_text_holds_up_no_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any], work: str
):
    """While a thread works on a request's text, the event loop turns; heartbeats live on it."""
    turned = threading.Event()
    usual: Callable[..., Any] = getattr(HuggingFaceTokenizer, work)

    def slow(*arguments: Any, **named: Any) -> Any:
        working.set()
        # where the loop itself works on the text, nothing ever sets this
        assert turned.wait(5)
        return usual(*arguments, **named)

    async def scenario(runner: TorchRunner) -> None:
        async with client_of(runner) as client:
            asked = asyncio.create_task(client.post(path, json=body))
            while not working.is_set():
                await asyncio.sleep(0.005)
            for _ in range(100):
                await asyncio.sleep(0)
            turned.set()
            assert (await asked).status_code == 200

    working = threading.Event()
    monkeypatch.setattr(HuggingFaceTokenizer, work, slow)
    with running(tmp_path) as runner:
        asyncio.run(asyncio.wait_for(scenario(runner), 60))


def test_tokenizing_leaves_python_to_the_event_loop():
    """It is no use on another thread if it holds the interpreter."""
    tokenizer = HuggingFaceTokenizer(tiny_model().tokenizer)
    text = "The selkie swam north. " * 20_000

    async def turns_meanwhile() -> int:
        reading = asyncio.create_task(asyncio.to_thread(tokenizer.encode, text, special_tokens=True))
        turns = 0
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
        assert len(await reading) == len(text)
        return turns

    # where it held the interpreter, the loop would turn a few times before and after
    assert asyncio.run(turns_meanwhile()) > 100


class AsgiClient:
    """A client that sends one request and may hang up."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.gone = asyncio.Event()
        self._messages: list[dict[str, Any]] = [{"type": "http.request", "body": json.dumps(body).encode()}]

    async def ask(self, runner: TorchRunner) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/v1/completions",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
        }
        await create_app(runner)(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if self._messages:
            return self._messages.pop()
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, _: Any) -> None:
        pass


def waiting_since(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Admission:
    def clock() -> float:
        return 1000.0

    monkeypatch.setattr(admission_module.time, "monotonic", clock)
    since: Sequence[float] = [1000.0 - seconds, 999.9]
    return Admission(4, lambda: since)


@pytest.mark.parametrize(("oldest", "after"), [(0.1, 1), (7.2, 8), (900.0, 60)])
def test_the_delay_is_what_the_oldest_has_waited(monkeypatch: pytest.MonkeyPatch, oldest: float, after: int):
    admission = waiting_since(monkeypatch, oldest)
    with admission.admit(4), pytest.raises(Busy) as busy, admission.admit(1):
        pass
    assert busy.value.retry_after_seconds == after


def test_a_request_that_is_larger_than_the_bound_is_refused_for_good():
    admission = Admission(4, lambda: [])
    with pytest.raises(TooManyRows), admission.admit(5):
        pass
    with admission.admit(3), pytest.raises(Busy), admission.admit(2):
        pass
    with pytest.raises(ZeroDivisionError), admission.admit(4):
        raise ZeroDivisionError
    with admission.admit(4):
        pass
