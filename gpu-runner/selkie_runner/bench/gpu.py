"""`gpu`: steps of large batches on an accelerator, against its matrix units' rate and against eager solo training.

Random weights in the shapes of Qwen2.5 0.5B and 7B, in bf16; no network. Takes a CPU too, with `--shape tiny`.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..batched.base import FrozenBase
from ..jobs.job import Targets, TrainingJob
from ..models.loading import LoadedModel
from .base_models import SHAPES, random_base
from .edits import Edits, jobs_of, load_edits, mean_edit_tokens
from .environment import describe
from .floor import best_rate
from .hf_trainer import Timed, train_one_by_one
from .result import BenchResult, Say, Side, interleaved, medians
from .subject import BatchedSide

SUMMARY = "training on a GPU: step time, share of the card's matrix rate, edits per hour, against eager solo"

_SHAPES = ("0.5b", "7b")
_WARM_UP = 3
_DTYPE = torch.bfloat16


@dataclass(frozen=True)
class _Case:
    """One kind of batch; its name is part of the keys of the output."""

    name: str
    targets: Targets
    slots: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench alone."""
    parser.add_argument("--device", help="cuda, cuda:1, cpu (default: cuda where there is one)")
    parser.add_argument("--qv-slots", type=int, default=64, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--all-slots", type=int, default=16, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, default=5, metavar="N", help="of a measurement (default: %(default)s)")
    parser.add_argument("--matmul-size", type=int, default=8192, metavar="N", help="(default: %(default)s)")


def run(given: argparse.Namespace, say: Say) -> BenchResult:
    """Measure each shape in turn; one base is on the device at a time."""
    device = torch.device(given.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    edits = load_edits(given.data)
    shapes = [given.shape] if given.shape else list(_SHAPES)
    cases = [_Case("qv", "qv", given.qv_slots), _Case("all", "all-linear", given.all_slots)]
    sides: dict[str, dict[str, Any]] = {}
    ratios: dict[str, float] = {}
    runs: list[dict[str, float]] = [{} for _ in range(given.repeats)]
    curve: list[dict[str, Any]] = []
    for shape in shapes:
        say(f"{shape}: {SHAPES[shape].__class__.__name__} with random weights")
        model = random_base(shape, device, _DTYPE)
        with tempfile.TemporaryDirectory() as folder:
            measured = _Shape(shape, model, edits, given, Path(folder))
            found, of_shape = measured.compare(cases, say)
            sides |= found
            ratios |= measured.ratios(cases, found)
            for run_, part in zip(runs, of_shape, strict=True):
                run_.update(part)
            curve += measured.curve(cases[0], say)
        del model, measured
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return BenchResult(
        bench="gpu",
        device=describe(
            device, [_DTYPE], edits.source, " and ".join(f"{shape} with random weights" for shape in shapes)
        ),
        sides=sides,
        ratios=ratios,
        runs=runs,
        more={"curve": curve},
    )


class _Shape:
    """The measurements on one base."""

    def __init__(self, name: str, model: LoadedModel, edits: Edits, given: argparse.Namespace, folder: Path) -> None:
        self._name, self._model, self._edits, self._given, self._folder = name, model, edits, given, folder

    def compare(self, cases: Sequence[_Case], say: Say) -> tuple[dict[str, dict[str, Any]], list[dict[str, float]]]:
        """Batched and solo of each case, and the card's matrix rate, interleaved."""
        model, given = self._model, self._given
        sides = {
            f"{self._name}.matmul": Side(
                best_rate(model.device, _DTYPE, given.matmul_size), "TFLOP/s", "dense bf16 products"
            )
        }
        edit_tokens: dict[str, float] = {}
        for case in cases:
            key = f"{self._name}.{case.name}"
            jobs = self._jobs(case)
            edit_tokens[key] = mean_edit_tokens(jobs, model)
            sides[f"{key}.batched"] = self._batched(jobs)
            sides[f"{key}.solo"] = self._solo(jobs[:1])
        runs = interleaved(sides, given.repeats, say)
        found = medians(sides, runs)
        for key, tokens in edit_tokens.items():
            per_hour = 3.6e6 / (tokens * found[f"{key}.batched"]["value"])
            note = f"training alone, {tokens:.0f} tokens an edit"
            found[f"{key}.edits"] = {"value": per_hour, "unit": "edits/h", "note": note}
        return found, runs

    def ratios(self, cases: Sequence[_Case], sides: dict[str, dict[str, Any]]) -> dict[str, float]:
        """`of_matmul`: the step's share of the card's dense rate; `vs_solo`: how many times eager solo's rate."""
        flop = flop_per_token(FrozenBase.share(self._model.model))
        rate = sides[f"{self._name}.matmul"]["value"] * 1e12
        ratios: dict[str, float] = {}
        for case in cases:
            key = f"{self._name}.{case.name}"
            seconds = sides[f"{key}.batched"]["value"] / 1e3
            ratios[f"{key}.of_matmul"] = flop / seconds / rate
            ratios[f"{key}.vs_solo"] = sides[f"{key}.solo"]["value"] / sides[f"{key}.batched"]["value"]
        return ratios

    def curve(self, case: _Case, say: Say) -> list[dict[str, Any]]:
        """Step time against tokens: batches of 1, 4, 16, … adapters up to the case's slots."""
        points: list[dict[str, Any]] = []
        slots = 1
        while slots <= case.slots:
            jobs = self._jobs(_Case(case.name, case.targets, slots))
            timed = BatchedSide(self._model, jobs).measure(warm_up=_WARM_UP, steps=self._given.steps)
            point = {
                "shape": self._name,
                "targets": case.targets,
                "slots": slots,
                "stepTokens": round(timed.tokens / timed.steps),
                "stepMs": 1e3 * timed.seconds / timed.steps,
            }
            say(f"{self._name}, {slots} slots, {point['stepTokens']} tokens: {point['stepMs']:.1f} ms a step")
            points.append(point)
            slots *= 4
        return points

    def _jobs(self, case: _Case) -> list[TrainingJob]:
        return jobs_of(self._edits, case.slots, case.targets, self._folder / case.name)

    def _batched(self, jobs: Sequence[TrainingJob]) -> Side:
        side = BatchedSide(self._model, jobs)
        return Side(lambda: _ms_per_token(side.measure(warm_up=_WARM_UP, steps=self._given.steps)), "ms/token")

    def _solo(self, jobs: Sequence[TrainingJob]) -> Side:
        def measure() -> float:
            # as many rows as a step of the batch would hold tell nothing new: one adapter's step is always one row
            return _ms_per_token(train_one_by_one(self._model, jobs, warm_up=_WARM_UP, steps=self._given.steps))

        return Side(measure, "ms/token", "Hugging Face Trainer with PEFT, eager, one adapter, rows unpadded")


def flop_per_token(decoder: FrozenBase) -> float:
    """4 · P: forward and the gradient of activations, P the weights of all products, the head's but no look-up's."""
    products = sum(projection.weight.numel() for projection in decoder.projections())
    return 4.0 * (products + decoder.head.numel())


def _ms_per_token(timed: Timed) -> float:
    return 1e3 * timed.seconds / timed.tokens
