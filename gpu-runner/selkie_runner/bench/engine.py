"""`engine`: how fast adapters train, against the Hugging Face `Trainer` with and without SEAL's padding.

All sides train the same jobs for the same steps. A value is milliseconds for a trained real token; padding is no token.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from ..batched.base import FrozenBase
from ..hardware import has_fast_bf16
from ..jobs.job import Targets, TrainingJob
from ..models.loading import LoadedModel
from ..models.spec import Dtype
from .base_models import SMOLLM2, random_base, real_base, smollm2_tokenizer
from .curve import curve
from .edits import jobs_of, load_edits
from .environment import describe
from .floor import Floor
from .hf_trainer import Timed, tokens_of_steps, train_one_by_one
from .result import BenchResult, Say, Side, interleaved, medians
from .subject import BatchedSide

SUMMARY = "training: the batched engine against the Hugging Face Trainer and the bare matrix products"

#: steps of each job: the first finds nothing allocated and does not count
_WARM_UP, _STEPS = 1, 2
#: positions that SEAL pads every row to
_REFERENCE_LENGTH = 2048

_UNIT = "ms/token"

#: adapters of a side in bf16 where that is emulated: a full batch would take minutes, and say as little
_EMULATED_SLOTS = 2
_EMULATED_NOTE = (
    f"bf16 is emulated on this CPU: one step of {_EMULATED_SLOTS} adapters, without one that does not count"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench alone."""
    parser.add_argument("--slots", type=int, default=16, metavar="N", help="adapters at once (default: %(default)s)")
    parser.add_argument("--curve", action="store_true", help="also 1 to 64 slots, memory, stacks of frozen adapters")


def run(given: argparse.Namespace, say: Say) -> BenchResult:
    """Measure all sides."""
    device = torch.device("cpu")
    model = base(given, device)
    edits = load_edits(given.data)
    padded_to = min(_REFERENCE_LENGTH, model.max_length)
    with tempfile.TemporaryDirectory() as folder:
        qv, every = (jobs_of(edits, given.slots, targets, Path(folder) / targets) for targets in ("qv", "all-linear"))
        sides = _sides(model, qv, every, padded_to)
        runs = interleaved(sides, given.repeats, say)
        found = medians(sides, runs)
        value = {name: side["value"] for name, side in found.items()}
        return BenchResult(
            bench="engine",
            device=describe(device, [torch.float32, torch.bfloat16], edits.source, model.name)
            | {"slots": given.slots, "stepTokens": round(_mean_tokens(model, qv) * given.slots)},
            sides=found,
            ratios={
                "fp32.qv.vs_solo": value["solo.fp32.qv"] / value["batched.fp32.qv"],
                "bf16.qv.vs_solo_fp32": value["solo.fp32.qv"] / value["batched.bf16.qv"],
                "fp32.all.vs_solo": value["solo.fp32.all"] / value["batched.fp32.all"],
                "bf16.all.vs_solo_fp32": value["solo.fp32.all"] / value["batched.bf16.all"],
                "fp32.qv.vs_reference": value["reference.fp32.qv"] / value["batched.fp32.qv"],
                "unpadding": value["reference.fp32.qv"] / value["solo.fp32.qv"],
                "batching": value["solo.fp32.qv"] / value["batched.fp32.qv"],
                "fp32.qv.of_floor": value["floor.fp32.qv"] / value["batched.fp32.qv"],
                "bf16.qv.of_floor": value["floor.bf16.qv"] / value["batched.bf16.qv"],
            },
            runs=runs,
            more={"curve": curve(model, edits, Path(folder) / "curve", say)} if given.curve else {},
        )


def base(given: argparse.Namespace, device: torch.device, dtype: Dtype = "float32") -> LoadedModel:
    """The base that the options ask for."""
    if given.model is not None:
        return real_base(given.model, given.models, given.cache, device, dtype)
    shape = given.shape or SMOLLM2
    tokenizer = smollm2_tokenizer(given.cache) if shape == SMOLLM2 else None
    return random_base(shape, device, getattr(torch, dtype), tokenizer)


def add_dtype_option(parser: argparse.ArgumentParser) -> None:
    """`--dtype`, for a bench whose sides all compute in one."""
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="of all sides (default: %(default)s)"
    )


def _sides(
    model: LoadedModel, qv: Sequence[TrainingJob], every: Sequence[TrainingJob], padded_to: int
) -> dict[str, Side]:
    def solo(jobs: Sequence[TrainingJob]) -> Side:
        return _timed(lambda: train_one_by_one(model, jobs, warm_up=_WARM_UP, steps=_STEPS))

    def batched(jobs: Sequence[TrainingJob], dtype: torch.dtype) -> Side:
        if _is_emulated(dtype, model.device):
            few = BatchedSide(model, jobs[:_EMULATED_SLOTS], dtype)
            return _timed(lambda: few.measure(warm_up=0, steps=1), _EMULATED_NOTE)
        side = BatchedSide(model, jobs, dtype)
        return _timed(lambda: side.measure(warm_up=_WARM_UP, steps=_STEPS))

    def reference() -> float:
        # a padded step costs the same whatever its row is, so one job represents all
        step = train_one_by_one(model, qv[:1], warm_up=0, steps=1, pad_to=padded_to)
        return 1e3 * step.seconds / _mean_tokens(model, qv)

    return {
        "solo.fp32.qv": solo(qv),
        "batched.fp32.qv": batched(qv, torch.float32),
        "floor.fp32.qv": _floor(model, qv, "qv", torch.float32),
        "batched.bf16.qv": batched(qv, torch.bfloat16),
        "floor.bf16.qv": _floor(model, qv, "qv", torch.bfloat16),
        "solo.fp32.all": solo(every),
        "batched.fp32.all": batched(every, torch.float32),
        "batched.bf16.all": batched(every, torch.bfloat16),
        "reference.fp32.qv": Side(
            reference,
            _UNIT,
            f"one step of one row padded to {padded_to} positions, divided by the mean length of the jobs' rows",
        ),
    }


def _floor(model: LoadedModel, jobs: Sequence[TrainingJob], targets: Targets, dtype: torch.dtype) -> Side:
    emulated = _is_emulated(dtype, model.device)
    kept, first = (jobs[:_EMULATED_SLOTS], 0) if emulated else (jobs, _WARM_UP)
    lengths = [tokens_of_steps(model, job, range(first, first + 1)) for job in kept]
    floor = Floor(FrozenBase.share(model.model, dtype), lengths, jobs[0].recipe.rank, targets)
    if emulated:
        return _timed(lambda: floor.measure(warm_up=0, steps=1), _EMULATED_NOTE)
    return _timed(lambda: floor.measure(warm_up=_WARM_UP, steps=_STEPS))


def _is_emulated(dtype: torch.dtype, device: torch.device) -> bool:
    return dtype == torch.bfloat16 and not has_fast_bf16(device)


def _timed(measure: Callable[[], Timed], note: str = "") -> Side:
    def per_token() -> float:
        timed = measure()
        return 1e3 * timed.seconds / timed.tokens

    return Side(per_token, _UNIT, note)


def _mean_tokens(model: LoadedModel, jobs: Sequence[TrainingJob]) -> float:
    """Real tokens of a step of one job, the mean over the steps that are measured."""
    steps = range(_WARM_UP, _WARM_UP + _STEPS)
    return sum(tokens_of_steps(model, job, steps) for job in jobs) / len(jobs) / _STEPS
