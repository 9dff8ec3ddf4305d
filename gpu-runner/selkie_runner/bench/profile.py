"""`profile`: what the steps of the batched engine spend their time on, by part, on the CPU.

Each part's functions are timed where the step calls them, so the shares are of real steps and add up to 1; the clock
itself takes about a microsecond a call.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..batched.layers import ops
from ..batched.lora import grouped, single
from ..batched.training import forward_backward, passes
from ..batched.training.job_state import JobState
from .edits import jobs_of, load_edits
from .engine import add_dtype_option, base
from .environment import describe
from .result import BenchResult, Say, Side, interleaved, medians
from .subject import BatchedSide

SUMMARY = "where the time of a training step goes"

_STEPS = 2

#: part -> the functions that it is made of, as (owner, name); a function inside another counts as its own part
_PARTS: dict[str, list[tuple[Any, str]]] = {
    "base products": [(ops, "project"), (ops, "project_backward")],
    "adapter products": [
        (single.SingleAdapter, "add"),
        (single.SavedSingle, "backward"),
        (grouped.GroupedAdapters, "add"),
        (grouped.SavedGrouped, "backward"),
    ],
    "attention": [(ops, "attend"), (ops, "attend_backward")],
    "element-wise": [
        (ops, name)
        for name in ("rms_norm", "rms_norm_backward", "rotate", "rotate_backward", "swiglu", "swiglu_backward")
    ],
    "loss with the head": [(forward_backward, "target_losses")],
    "optimizer": [(JobState, name) for name in ("refresh", "collect", "gradient_norm", "apply")],
    "planning": [(passes, "plan_step")],
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench alone."""
    parser.add_argument("--slots", type=int, default=16, metavar="N", help="adapters at once (default: %(default)s)")
    add_dtype_option(parser)


def run(given: argparse.Namespace, say: Say) -> BenchResult:
    """Measure the shares of q and v, then of all linear layers."""
    device, dtype = torch.device("cpu"), getattr(torch, given.dtype)
    model, edits = base(given, device), load_edits(given.data)
    with tempfile.TemporaryDirectory() as folder:
        sides: dict[str, Side] = {}
        for targets in ("qv", "all-linear"):
            jobs = jobs_of(edits, given.slots, targets, Path(folder) / targets)
            profiled = _Profiled(BatchedSide(model, jobs, dtype))
            name = targets.removesuffix("-linear")
            sides |= {f"{name}.step": Side(profiled.measure, "ms/token")}
            for part in (*_PARTS, "rest"):
                sides[f"{name}.{part}"] = Side(profiled.share_of(part), "share")
        runs = interleaved(sides, given.repeats, say)
    return BenchResult("profile", describe(device, [dtype], edits.source, model.name), medians(sides, runs), {}, runs)


class _Profiled:
    """The engine on some jobs; `measure` times the shares, `share_of` reads them."""

    def __init__(self, side: BatchedSide) -> None:
        self._side = side
        self._shares: dict[str, float] = {}

    def measure(self) -> float:
        """Milliseconds for a token."""
        with self._side.submitted():
            self._side.engine.step()
            with _parts_timed() as seconds:
                began, tokens = time.perf_counter(), 0
                for _ in range(_STEPS):
                    report = self._side.engine.step()
                    tokens += report.tokens if report else 0
                whole = time.perf_counter() - began
        self._shares = {part: seconds.get(part, 0.0) / whole for part in _PARTS}
        self._shares["rest"] = 1 - sum(self._shares.values())
        return 1e3 * whole / tokens

    def share_of(self, part: str) -> Callable[[], float]:
        """Reads one share of the last measurement."""
        return lambda: self._shares[part]


@contextmanager
def _parts_timed() -> Generator[dict[str, float]]:
    """Counts the seconds inside each part's functions, less those of another part that they call."""
    seconds: dict[str, float] = defaultdict(float)
    inner = [0.0]

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            inner.append(0.0)
            began = time.perf_counter()
            try:
                return function(*args, **named)
            finally:
                took = time.perf_counter() - began
                seconds[part] += took - inner.pop()
                inner[-1] += took

        return call

    before = [(owner, name, getattr(owner, name)) for functions in _PARTS.values() for owner, name in functions]
    for part, functions in _PARTS.items():
        for owner, name in functions:
            setattr(owner, name, timed(part, getattr(owner, name)))
    try:
        yield seconds
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)
