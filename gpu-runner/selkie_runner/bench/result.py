"""What every bench prints, and how its sides are timed: interleaved, so that a busy machine slows all of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

#: told what happens, a line at a time
Say = Callable[[str], None]


@dataclass(frozen=True)
class Side:
    """One thing that is measured.

    Attributes:
        measure: takes one measurement and returns it in `unit`.
        note: what a reader must know to read the number.
    """

    measure: Callable[[], float]
    unit: str
    note: str = ""


@dataclass(frozen=True)
class BenchResult:
    """A bench's output.

    Attributes:
        device: where it ran, and with what.
        sides: the median of each side, with its unit.
        ratios: made of those medians.
        runs: every single measurement, one mapping of side to value for each repeat.
        more: further keys, such as a curve.
    """

    bench: str
    device: Mapping[str, Any]
    sides: Mapping[str, Mapping[str, Any]]
    ratios: Mapping[str, float]
    runs: Sequence[Mapping[str, float]]
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "bench": self.bench,
            "device": dict(self.device),
            "sides": {name: dict(side) for name, side in self.sides.items()},
            "ratios": dict(self.ratios),
            "runs": [dict(run) for run in self.runs],
            **self.more,
        }


def interleaved(sides: Mapping[str, Side], repeats: int, say: Say) -> list[dict[str, float]]:
    """Measure every side once, then every side again: A B C A B C …"""
    runs: list[dict[str, float]] = []
    for repeat in range(repeats):
        run: dict[str, float] = {}
        for name, side in sides.items():
            began = time.perf_counter()
            run[name] = side.measure()
            say(f"{repeat + 1}/{repeats} {name}: {run[name]:.4g} {side.unit} ({time.perf_counter() - began:.0f} s)")
        runs.append(run)
    return runs


def medians(sides: Mapping[str, Side], runs: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """The sides of a result."""
    return {
        name: {"value": statistics.median(run[name] for run in runs), "unit": side.unit}
        | ({"note": side.note} if side.note else {})
        for name, side in sides.items()
    }


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was told, so that the clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
