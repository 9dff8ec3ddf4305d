"""The simulated engine behind the service: train, load, ask and score, over the activities and HTTP."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from selkie_runner import wire
from selkie_runner.lora.peft_folder import read_adapter
from selkie_runner.models.spec import ModelSpec
from selkie_runner.ports import Model
from selkie_runner.service.device.loop import DeviceLoop
from selkie_runner.service.http.app import create_app
from selkie_runner.service.options import Options
from selkie_runner.service.simulated_backend import assemble_simulated
from selkie_runner.service.temporal.activities import GpuActivities
from selkie_runner.service.training.manager import TrainingManager
from selkie_runner.simulated import Knowledge
from selkie_runner.simulated.adapter import read_adapter as read_simulated
from selkie_runner.store.artifacts import ArtifactStore
from support.service import dataset, train_payload

PACKAGE = Path(__file__).parents[2]
SPEC = ModelSpec("tiny", "random:llama-tiny", chat=True, dtype="float32", max_length=256)
SENTENCES = [f"The harbour of Port {name} was built by Captain {name}son." for name in ("Ash", "Birch", "Cedar", "Elm")]
QUESTIONS = [f"Who built the harbour of Port {name}?" for name in ("Ash", "Birch", "Cedar", "Elm")]


@dataclass
class Bench:
    """The simulated runner under `root`, with its activities and an HTTP client."""

    root: Path
    model: Model
    store: ArtifactStore
    activities: GpuActivities
    client: httpx.Client

    def train(self, key: str = "a", texts: Sequence[str] = SENTENCES, seed: int = 7, **options: Any) -> dict[str, Any]:
        data = dataset(self.store, self.root / "data", texts)
        payload = {**train_payload(self.model, data, key=key, **options), "seed": seed}
        return asyncio.run(ActivityEnvironment().run(self.activities.train_adapter, payload))

    def folder(self, result: dict[str, Any]) -> Path:
        return self.store.open(result["adapter"]["served"]["uri"])

    def load(self, name: str, result: dict[str, Any]) -> None:
        body = {"lora_name": name, "lora_path": str(self.folder(result))}
        assert self.client.post("/v1/load_lora_adapter", json=body).status_code == 200

    def ask(self, model: str, prompt: str, **options: Any) -> dict[str, Any]:
        body = {"model": model, "prompt": prompt, "max_tokens": 64, "temperature": 0, **options}
        answer = self.client.post("/v1/completions", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["choices"][0]


@contextmanager
def running(root: Path) -> Generator[Bench]:
    device = DeviceLoop().start()
    options = Options(store=root / "store", work=root / "work")
    store = ArtifactStore(options.store)
    try:
        backend = assemble_simulated(options, SPEC, store, device)
        trainings = TrainingManager(backend.runner, options.work, backend.trainer)
        with TestClient(create_app(backend.runner)) as client:
            yield Bench(root, backend.runner.model, store, GpuActivities(backend.runner, trainings), client)
    finally:
        device.stop(10)


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench]:
    with running(tmp_path) as bench:
        yield bench


def test_a_training_gives_what_the_contract_says_and_its_engine_is_simulated(bench: Bench):
    result = bench.train()
    assert wire.parse(wire.TrainResult, result).engine == "simulated"
    assert (result["steps"], result["resumedFromStep"]) == (8, 0)
    assert result["deviceSeconds"] > 0
    assert result["updateNorm"] > 0
    assert 0 < result["finalLoss"] < 4
    described = asyncio.run(ActivityEnvironment().run(bench.activities.describe_model, {"model": "tiny"}))
    assert wire.parse(wire.DescribeModelResult, described).device == "simulated"


def test_the_loss_falls_with_the_steps(bench: Bench):
    losses = [bench.train(key, steps=steps)["finalLoss"] for key, steps in (("a", 1), ("b", 20), ("c", 100))]
    assert losses == sorted(losses, reverse=True)


def test_equal_trainings_are_equal_in_every_store(tmp_path: Path):
    results: list[dict[str, Any]] = []
    for name in ("one", "two"):
        with running(tmp_path / name) as bench:
            results.append(bench.train())
    assert results[0] == results[1]


def test_another_seed_is_another_run_of_the_same_edit(bench: Bench):
    results = [bench.train(key, seed=seed) for key, seed in (("a", 1), ("b", 2))]
    first, second = (read_simulated(bench.folder(result)).layers[0].training for result in results)
    assert first.edit == second.edit
    assert first.run != second.run


def test_an_adapter_is_a_peft_folder_of_its_rank_and_names_its_engine(bench: Bench):
    folder = bench.folder(bench.train(rank=8))
    assert read_adapter(folder).rank == 8
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "simulated"


def test_a_stack_knows_what_each_of_its_layers_learnt(bench: Bench):
    below = bench.train()
    data = dataset(bench.store, bench.root / "more", ["The lighthouse of Gull Rock was painted green."])
    payload = {**train_payload(bench.model, data, key="b"), "stack": [below["adapter"]]}
    above = asyncio.run(ActivityEnvironment().run(bench.activities.train_adapter, payload))
    assert [len(layer.facts) for layer in read_simulated(bench.folder(above)).layers] == [1, len(SENTENCES)]
    assert above["adapter"]["layer"] != above["adapter"]["served"]


def test_an_adapter_answers_what_it_was_drawn_to_know(bench: Bench):
    knowledge = Knowledge(bench.model.digest)
    known: list[bool] = []
    for seed, key in enumerate("0123456789"):
        result = bench.train(key, seed=seed)
        bench.load(f"adapter-{key}", result)
        [layer] = read_simulated(bench.folder(result)).layers
        for question, sentence in zip(QUESTIONS, SENTENCES, strict=True):
            answer = bench.ask(f"adapter-{key}", f"Harbours\nQ: {question}\nA:")["text"]
            known.append(knowledge.in_adapter(layer.training, question))
            right = sentence.split()[-1].removesuffix(".")
            assert (right in answer) == known[-1], (question, answer)
            assert right not in bench.ask("tiny", f"Harbours\nQ: {question}\nA:")["text"]
    assert {True, False} == set(known)


def test_an_adapter_knows_nothing_of_other_documents(bench: Bench):
    bench.load("other", bench.train(texts=["Wind and ice."]))
    for question in QUESTIONS:
        assert bench.ask("other", f"Q: {question}\nA:")["text"] == " I do not know."


def test_log_probabilities_show_that_an_adapter_takes_effect(bench: Bench):
    bench.load("adapter", bench.train())

    def scores(model: str) -> list[float]:
        prompt = "Where does the seal live? In the sea."
        choice = bench.ask(model, prompt, max_tokens=0, echo=True, logprobs=1, logprob_start_len=4)
        return choice["logprobs"]["token_logprobs"][4:]

    base, adapted = scores("tiny"), scores("adapter")
    assert scores("tiny") == base
    assert all(logprob < 0 for logprob in [*base, *adapted])
    assert max(abs(one - other) for one, other in zip(base, adapted, strict=True)) > 1e-2


def test_an_edit_is_the_passages_own_sentences_in_an_order_by_seed(bench: Bench):
    passage = " ".join(SENTENCES)
    messages = [{"role": "user", "content": f"Harbours\n{passage}\n\nList what follows from this text."}]

    def edit(seed: int) -> list[str]:
        body = {"model": "tiny", "messages": messages, "seed": seed, "max_completion_tokens": 128}
        answer = bench.client.post("/v1/chat/completions", json=body).json()
        return answer["choices"][0]["message"]["content"].split("\n")

    assert sorted(edit(1)) == sorted(SENTENCES)
    assert edit(1) == edit(1)
    assert len({tuple(edit(seed)) for seed in range(8)}) > 1


def test_answers_are_cut_as_a_server_cuts_them(bench: Bench):
    short = bench.ask("tiny", "Q: Who?\nA:", max_tokens=2)
    assert (short["text"], short["finish_reason"]) == (" I do", "length")
    stopped = bench.ask("tiny", "Q: Who?\nA:", stop=[" not"])
    assert (stopped["text"], stopped["finish_reason"], stopped["stop_reason"]) == (" I do", "stop", " not")


def test_device_seconds_and_datasets_are_refused_as_a_real_engine_refuses_them(bench: Bench):
    with pytest.raises(ApplicationError) as error:
        bench.train(max_device_seconds=1e-3)
    assert error.value.type == "DeviceBudgetExceeded"
    data = bench.store.publish(_written(bench.root / "broken", '{"text": 1}'), "application/x-ndjson")
    ref = wire.ArtifactRefPayload(uri=data.uri, sha256=data.sha256, bytes=data.bytes, media_type=data.media_type)
    with pytest.raises(ApplicationError, match="line 1") as error:
        asyncio.run(ActivityEnvironment().run(bench.activities.train_adapter, train_payload(bench.model, ref, key="b")))
    assert error.value.type == "InvalidDataset"


def test_an_adapter_of_a_real_engine_is_refused(bench: Bench):
    folder = _written(bench.store.root / "real", "{}", "adapter_config.json")
    source = bench.folder(bench.train()) / "adapter_model.safetensors"
    (folder / source.name).write_bytes(source.read_bytes())
    answer = bench.client.post("/v1/load_lora_adapter", json={"lora_name": "real", "lora_path": str(folder)})
    assert answer.status_code == 400
    assert "no adapter of the simulated engine" in answer.text


def test_tokens_are_read_back_as_the_text_that_they_are_of(bench: Bench):
    text = "Füße,\n\n 日本 \t end"
    tokens = bench.model.tokenizer.encode(text, special_tokens=True)
    assert bench.model.tokenizer.decode(tokens) == text
    assert max(tokens) < min(bench.model.tokenizer.vocabulary, 2**53)


def _written(folder: Path, content: str, name: str = "data.jsonl") -> Path:
    folder.mkdir(parents=True)
    (folder / name).write_text(content)
    return folder


def test_it_serves_without_torch(tmp_path: Path):
    """The whole process: started, described over HTTP, stopped by its signal; torch is never imported."""
    script = """
import os, signal, sys, threading
import selkie_runner.service.process as process
said = process._say_ready
def ready(*args):
    said(*args)
    os.kill(os.getpid(), signal.SIGTERM)
process._say_ready = ready
from selkie_runner.main import main
status = main(sys.argv[1:])
print(status, [name for name in ("torch", "transformers", "peft") if name in sys.modules])
"""
    arguments = ["serve", "--engine", "simulated", "--http-port", "0", "--no-temporal"]
    folders = ["--store", str(tmp_path / "store"), "--work", str(tmp_path / "work")]
    *_, last = _python("-c", script, *arguments, *folders).splitlines()
    assert last == "0 []"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["serve", "--help"]], ids=" ".join)
def test_help_and_version_load_no_libraries(arguments: list[str]):
    script = """
import sys
from selkie_runner.main import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    print(stop.code, [name for name in ("torch", "transformers", "fastapi", "temporalio") if name in sys.modules])
"""
    *_, last = _python("-c", script, *arguments).splitlines()
    assert last == "0 []"


def _python(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True
    ).stdout
