"""Every bench runs from end to end on a tiny base, and its output has the keys that are promised."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.lora.layout import LoraTerm
from selkie_runner.batched.training.forward_backward import forward_backward
from selkie_runner.batched.training.packing import Segment, plan_step
from selkie_runner.bench.__main__ import main
from selkie_runner.bench.base_models import StandInTokenizer
from selkie_runner.bench.edits import jobs_of, load_edits
from selkie_runner.bench.floor import Floor
from selkie_runner.bench.gpu import flop_per_token
from selkie_runner.bench.hf_trainer import tokens_of_steps, train_one_by_one
from selkie_runner.bench.result import Side, interleaved
from selkie_runner.jobs.job import Targets
from support.batched import random_layer, view_of
from support.engine import tiny

ENGINE_RATIOS = {
    *("fp32.qv.vs_solo", "bf16.qv.vs_solo_fp32", "fp32.all.vs_solo", "bf16.all.vs_solo_fp32"),
    *("fp32.qv.vs_reference", "unpadding", "batching", "fp32.qv.of_floor", "bf16.qv.of_floor"),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file of SEAL's form."""
    edit = {"text": "1. The seal eats fish.\n\n2. It lives in the cold sea."}
    articles = [{"title": f"Seals {i}", "context": "Seals eat fish.", "completions": [edit, edit]} for i in range(2)]
    file = tmp_path / "rank.json"
    file.write_text(json.dumps({"articles": articles}), encoding="utf-8")
    return file


def measured(capsys: pytest.CaptureFixture[str], data: Path, *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json", "--shape", "tiny", "--repeats", "2", "--data", str(data)]) == 0
    # standard output is the result and nothing else
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert len(result["runs"]) == 2
    assert {"kind", "threads", "dtypes", "versions"} <= result["device"].keys()
    for side in result["sides"].values():
        assert 0 < side["value"] < math.inf
        assert side["unit"]
    return result


def test_engine(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    result = measured(capsys, data, "engine", "--slots", "2")
    assert result["ratios"].keys() == ENGINE_RATIOS
    ratios = result["ratios"]
    assert ratios["unpadding"] * ratios["batching"] == pytest.approx(ratios["fp32.qv.vs_reference"])


def test_engine_curve(capsys: pytest.CaptureFixture[str], data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selkie_runner.bench.curve.SLOTS", (1, 3))
    curve = measured(capsys, data, "engine", "--slots", "1", "--curve")["curve"]
    assert [point["slots"] for point in curve["slots"]] == [1, 3]
    assert [point["frozenLayers"] for point in curve["stacks"]] == [0, 1, 3]
    assert all(point["firstAdapterSteps"] == 30 for point in curve["slots"])


def test_gpu_on_a_cpu(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    sizes = ("--qv-slots", "4", "--all-slots", "2", "--steps", "2", "--matmul-size", "64", "--device", "cpu")
    result = measured(capsys, data, "gpu", *sizes)
    assert result["ratios"].keys() == {f"tiny.{case}.{of}" for case in ("qv", "all") for of in ("of_matmul", "vs_solo")}
    assert [point["slots"] for point in result["curve"]] == [1, 4]
    for case in ("qv", "all"):
        batched, solo = (result["sides"][f"tiny.{case}.{side}"]["value"] for side in ("batched", "solo"))
        assert result["ratios"][f"tiny.{case}.vs_solo"] == pytest.approx(solo / batched)
        assert result["ratios"][f"tiny.{case}.of_matmul"] > 0


def test_profile(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    result = measured(capsys, data, "profile", "--slots", "2")
    for run in result["runs"]:
        shares = [value for name, value in run.items() if name.startswith("all.") and name != "all.step"]
        assert sum(shares) == pytest.approx(1)


def test_sides_take_turns() -> None:
    taken: list[str] = []

    def side(name: str) -> Side:
        def measure() -> float:
            taken.append(name)
            return len(taken)

        return Side(measure, "s")

    runs = interleaved({"a": side("a"), "b": side("b")}, 2, lambda line: None)
    assert taken == ["a", "b", "a", "b"]
    assert runs == [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]


def test_an_edit_is_its_lines_and_its_passage(data: Path) -> None:
    edits = load_edits(data)
    assert len(edits.sequences) == 4
    assert edits.sequences[0] == ["1. The seal eats fish.", "2. It lives in the cold sea.", "Seals 0\nSeals eat fish."]


def test_the_sample_corpus_serves_where_nothing_else_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("selkie_runner.bench.edits._SEAL", tmp_path / "nowhere")
    edits = load_edits(None)
    assert len(edits.sequences) > 10
    assert all(len(sequences) > 2 for sequences in edits.sequences)


def test_the_trainer_trains_on_the_rows_that_its_tokens_are_counted_of(data: Path, tmp_path: Path) -> None:
    model = tiny("llama-tiny")
    (job,) = jobs_of(load_edits(data), 1, "qv", tmp_path / "jobs")
    seen: list[int] = []
    handle = model.model.register_forward_pre_hook(
        lambda _module, _args, inputs: seen.append(inputs["input_ids"].numel()), with_kwargs=True
    )
    timed = train_one_by_one(model, [job], warm_up=1, steps=2)
    handle.remove()
    assert timed.tokens == sum(seen[1:]) == tokens_of_steps(model, job, range(1, 3))
    assert not any(".lora_" in name for name, _ in model.model.named_parameters())


class Multiplications(TorchDispatchMode):
    """Counts those of all matrix products; attention's are batched products and not among them."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().removeprefix("aten::").partition(".")[0]
        if name in ("mm", "addmm", "addmm_"):
            one, other = args[-2:]
            self.count += one.shape[0] * one.shape[1] * other.shape[1]
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("targets", ["qv", "all-linear"])
def test_the_floor_is_the_products_of_a_step(targets: Targets) -> None:
    decoder = FrozenBase.share(tiny("qwen2-tiny").model)
    lengths = [5, 9]
    with Multiplications() as bare:
        Floor(decoder, lengths, 4, targets).measure(warm_up=0, steps=1)
    plan = plan_step([[Segment(tuple(range(length)), 0, length)] for length in lengths], decoder)
    terms: list[LoraTerm] = []
    for span, seed in zip(plan.spans, (1, 2), strict=True):
        weights = view_of(decoder, random_layer(decoder, 4, 8.0, targets, seed), torch.float32)
        terms.append(LoraTerm(span, weights, 2.0, weights.layout.view(torch.empty_like(weights.flat))))
    with Multiplications() as engine:
        forward_backward(decoder, plan, terms)
    assert bare.count == engine.count


def test_flop_of_a_token_counts_the_head_and_no_look_up() -> None:
    decoder = FrozenBase.share(tiny("llama-tiny").model)
    per_layer = 32 * (32 + 16 + 16) + 32 * 32 + 3 * 32 * 64
    assert flop_per_token(decoder) == 4 * (2 * per_layer + decoder.head.shape[0] * 32)


def test_the_stand_in_makes_as_many_tokens_as_a_real_tokenizer_would() -> None:
    ids = StandInTokenizer(512)("word " * 88)["input_ids"]
    assert len(ids) == 100
    assert all(0 < token < 512 for token in ids)
