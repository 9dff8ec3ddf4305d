"""The engine over 1 to 64 slots and over stacks of frozen adapters: what a larger batch gains, and what it costs."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ..batched.base import FrozenBase
from ..batched.lora.layout import TARGETS, AdapterLayout
from ..batched.training.memory import bytes_per_job
from ..jobs.job import TrainingJob
from ..jobs.schedule import total_steps
from ..jobs.sources import row_source
from ..lora.peft_folder import write_adapter
from ..lora.weights import LoraWeights, initial_weights
from ..models.loading import LoadedModel
from ..reference.trainer import target_shapes
from .edits import Edits, jobs_of, seal_recipe
from .result import Say
from .subject import BatchedSide

SLOTS = (1, 2, 4, 8, 16, 32, 64)
STACKS = (0, 1, 3)
_STACK_SLOTS = 16
_REPEATS = 3


def curve(model: LoadedModel, edits: Edits, folder: Path, say: Say) -> dict[str, Any]:
    """fp32, q and v.

    Returns:
        `slots`: for each number of slots the milliseconds for a token, memory of an adapter and seconds to the first
        finished adapter; `stacks`: milliseconds per token over a stack of N frozen adapters, at 16 slots.
    """
    points: list[dict[str, Any]] = []
    for slots in SLOTS:
        jobs = jobs_of(edits, slots, "qv", folder / "slots")
        point = _point(model, jobs)
        points.append({"slots": slots, **point})
        say(f"curve, {slots} slots: {point['msPerToken']:.3g} ms/token")
    stacks: list[dict[str, Any]] = []
    layers = [_frozen_layer(model, folder / f"layer{index}", index) for index in range(max(STACKS))]
    for depth in STACKS:
        side = BatchedSide(model, jobs_of(edits, _STACK_SLOTS, "qv", folder / "slots", layers[:depth]))
        per_token = median(_ms_per_token(side) for _ in range(_REPEATS))
        stacks.append({"frozenLayers": depth, "slots": _STACK_SLOTS, "msPerToken": per_token})
        say(f"curve, above {depth} frozen layers: {per_token:.3g} ms/token")
    return {"slots": points, "stacks": stacks}


def _point(model: LoadedModel, jobs: Sequence[TrainingJob]) -> dict[str, Any]:
    side = BatchedSide(model, jobs)
    timed = [side.measure(warm_up=1, steps=1) for _ in range(_REPEATS)]
    step_seconds = median(one.seconds for one in timed)
    layout = AdapterLayout(FrozenBase.share(model.model), jobs[0].recipe.rank, TARGETS["qv"])
    before = _resident_bytes()
    with side.submitted():
        began = time.perf_counter()
        side.engine.step()
        # the first step lets the jobs in; what it takes longer than another is their admission
        admission = max(0.0, time.perf_counter() - began - step_seconds)
        held = _resident_bytes() - before
    shortest = min(_steps(model, job) for job in jobs)
    return {
        "stepTokens": timed[0].tokens,
        "msPerToken": 1e3 * step_seconds / timed[0].tokens,
        "bytesPerAdapter": bytes_per_job(FrozenBase.share(model.model), layout),
        # the step's activations, as far as the allocator has kept them, are in it too
        "residentBytesPerAdapter": held // len(jobs),
        "secondsToFirstAdapter": admission + shortest * step_seconds,
        "firstAdapterSteps": shortest,
    }


def _steps(model: LoadedModel, job: TrainingJob) -> int:
    return total_steps(row_source(job, model), job.recipe)


def _ms_per_token(side: BatchedSide) -> float:
    timed = side.measure(warm_up=1, steps=1)
    return 1e3 * timed.seconds / timed.tokens


def _frozen_layer(model: LoadedModel, folder: Path, seed: int) -> Path:
    """A PEFT folder with a layer that changes what the base computes."""
    recipe = seal_recipe("qv")
    layer = initial_weights(target_shapes(model, recipe), recipe.rank, recipe.alpha, seed)
    b = {name: torch.full_like(zeros, 1e-3) for name, zeros in layer.b.items()}
    write_adapter(LoraWeights(layer.rank, layer.alpha, layer.a, b), folder)
    return folder


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0  # not Linux
    return pages * 4096
