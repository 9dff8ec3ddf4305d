"""A runner under mixed work for minutes: no answer is lost, no heartbeat is late, memory stays flat."""

import asyncio
import itertools
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from selkie_runner.memory import process_bytes
from selkie_runner.store.artifacts import ArtifactStore
from service.process_test import Process, free_port, runner_process, stop, temporal_binary, until
from support.service import dataset, tiny_model, train_payload, write_random_adapter
from support.workflow import TrainOnce

SECONDS = int(os.environ.get("SELKIE_SOAK_SECONDS", "0"))
NAMES = 200
FOLDERS = 20
LONG = "The selkie came home. " * 8
MIB = 2**20

pytestmark = pytest.mark.skipif(SECONDS == 0, reason="set SELKIE_SOAK_SECONDS, as npm run test:full does")


class Soak:
    """The work, and what came of it. `counts` is by what was done."""

    def __init__(
        self, url: str, client: Client, folders: list[Path], requests: Callable[[int], dict[str, Any]]
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.held: list[int] = []
        self._http = httpx.AsyncClient(base_url=url, timeout=120)
        self._temporal = client
        self._folders = folders
        self._requests = requests
        self._loaded: list[str] = []
        self._random = random.Random(1)
        self._until = time.monotonic() + SECONDS

    async def run(self, process: Process) -> None:
        """Work until the time is over."""
        work = [self._train] * 4 + [self._ask] * 4 + [self._read, self._chat, self._load, self._hang_up, self._misuse]
        async with self._http:
            await asyncio.gather(*map(self._repeat, work), self._repeat(lambda: self._weigh(process.popen.pid)))
            metrics = (await self._http.get("/metrics")).text
        assert "selkie_rows_waiting 0.0" in metrics

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while time.monotonic() < self._until:
            await work()

    async def _train(self) -> None:
        cancels = self._random.random() < 0.2
        # one to cancel lasts for minutes
        request = self._requests(10_000 if cancels else 20)
        handle = await self._temporal.start_workflow("trainOnce", request, id=request["trainingKey"], task_queue="test")
        if cancels:
            await asyncio.sleep(0.5)
            await handle.cancel()
            with pytest.raises(WorkflowFailureError):
                await handle.result()
            self.counts["trainings cancelled"] += 1
            return
        await handle.result()
        async for event in handle.fetch_history_events():
            # a heartbeat that came too late would have started another attempt
            assert event.activity_task_started_event_attributes.attempt in (0, 1)
        self.counts["trainings"] += 1

    async def _ask(self) -> None:
        model = self._random.choice(["tiny", *self._loaded])
        body = {"model": model, "prompt": ["seal", "sea"], "max_tokens": 8, "temperature": 0.7}
        answer = await self._http.post("/v1/completions", json=body)
        # between the choice and the request the adapter may have been unloaded
        assert answer.status_code == 200 or (answer.status_code == 404 and model != "tiny"), answer.text
        if answer.status_code == 200:
            assert len(answer.json()["choices"]) == 2
            self.counts["answers"] += 1

    async def _read(self) -> None:
        answer = await self._http.post("/v1/completions", json={"prompt": LONG, "max_tokens": 16})
        assert answer.status_code == 200, answer.text
        self.counts["long prompts"] += 1

    async def _chat(self) -> None:
        body = {"messages": [{"role": "user", "content": "Where?"}], "max_tokens": 16, "stream": True}
        async with self._http.stream("POST", "/v1/chat/completions", json={"model": "tiny", **body}) as answer:
            lines = [line async for line in answer.aiter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        self.counts["streams"] += 1

    async def _load(self) -> None:
        for number in range(NAMES):
            if time.monotonic() > self._until:
                return
            name = f"adapter-{number}"
            body = {"lora_name": name, "lora_path": str(self._folders[number % FOLDERS])}
            assert (await self._http.post("/v1/load_lora_adapter", json=body)).status_code == 200
            self._loaded.append(name)
            self.counts["loads"] += 1
            if len(self._loaded) > FOLDERS:
                gone = self._loaded.pop(0)
                await self._http.post("/v1/unload_lora_adapter", json={"lora_name": gone})
        while self._loaded:
            await self._http.post("/v1/unload_lora_adapter", json={"lora_name": self._loaded.pop(0)})

    async def _hang_up(self) -> None:
        body = {"prompt": ["seal"] * 4, "max_tokens": 200, "temperature": 1}
        with pytest.raises(httpx.ReadTimeout):
            await self._http.post("/v1/completions", json=body, timeout=httpx.Timeout(60, read=0.2))
        self.counts["hang-ups"] += 1
        await asyncio.sleep(1)

    async def _misuse(self) -> None:
        bodies: list[tuple[str, Any, int]] = [
            ("/v1/completions", {"prompt": "seal", "max_tokens": 10**6}, 400),
            ("/v1/completions", {"model": "nobody", "prompt": "seal"}, 404),
            ("/v1/completions", {"prompt": 7}, 400),
            ("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": "/etc"}, 400),
            ("/v1/embeddings", {"input": "seal"}, 404),
        ]
        for path, body, status in bodies:
            answer = await self._http.post(path, json=body)
            assert answer.status_code == status, answer.text
        self.counts["bad requests"] += len(bodies)
        await asyncio.sleep(0.5)

    async def _weigh(self, pid: int) -> None:
        whole = psutil.Process(pid)
        self.held.append(sum(process_bytes(one) for one in (whole, *whole.children(recursive=True))))
        await asyncio.sleep(SECONDS / 100)


def test_mixed_work_for_minutes(tmp_path: Path) -> None:
    binary, port, root, model = temporal_binary(), free_port(), tmp_path / "runner", tiny_model()
    data = dataset(ArtifactStore(root / "store"), tmp_path / "data", [f"Selkie {number}." for number in range(8)])
    folders = [write_random_adapter(root / "store" / f"a{number}", model, number) for number in range(FOLDERS)]
    numbers = itertools.count(1)

    def request(steps: int) -> dict[str, Any]:
        number = next(numbers)
        return {**train_payload(model, data, steps=steps), "trainingKey": f"{number:064x}", "seed": number}

    async def scenario() -> Soak:
        with runner_process(root, "--slots", "4", address=f"127.0.0.1:{port}") as process:
            async with (
                await WorkflowEnvironment.start_local(dev_server_existing_path=binary, port=port) as server,
                Worker(
                    server.client, task_queue="test", workflows=[TrainOnce], workflow_runner=UnsandboxedWorkflowRunner()
                ),
            ):
                await until(lambda: process.events("temporal_connected"))
                soak = Soak(process.ready["http"], server.client, folders, request)
                await soak.run(process)
                assert await asyncio.to_thread(stop, process) == 0
                return soak

    soak = asyncio.run(scenario())
    early, late = (statistics.median(soak.held[part : part + 20]) for part in (20, len(soak.held) - 20))
    print(dict(soak.counts), f"memory {early / MIB:.0f} MiB, then {late / MIB:.0f} MiB")
    done = {what for what, count in soak.counts.items() if count}
    assert done == {
        "trainings",
        "trainings cancelled",
        "answers",
        "long prompts",
        "streams",
        "loads",
        "hang-ups",
        "bad requests",
    }
    assert soak.counts["loads"] > FOLDERS
    assert late < 1.1 * early + 32 * MIB
