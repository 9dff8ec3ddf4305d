"""How one gpu-runner process runs. `main.py` makes the command line from these fields."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from ..ports import EngineName

ENGINES: Final[tuple[EngineName, ...]] = get_args(EngineName)
#: trainings at once; solo gains nothing from more, and a simulated training only writes files
SLOTS: Final[dict[EngineName, int]] = {"batched": 24, "solo": 4, "simulated": 64}


@dataclass(frozen=True)
class Option:
    """How the command line sets a field.

    Attributes:
        name: without the leading dashes; None for the field's own name.
        action: `flag` sets the field to true, `no-flag` to false, `append` adds a value each time.
    """

    help: str
    parse: Callable[[str], Any] = str
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    name: str | None = None
    action: Literal["value", "append", "flag", "no-flag"] = "value"


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("must be at least 1")
    return number


def _set_by(help_: str, parse: Callable[[str], Any] = str, metavar: str | None = None, **how: Any) -> Mapping[str, Any]:
    """The metadata of a field that the command line sets."""
    return {"option": Option(help_, parse, metavar, **how)}


@dataclass(frozen=True)
class EngineOptions:
    """How to train, with `token_budget` for the batched engine. `deterministic` is for answers too."""

    engine: EngineName = field(
        default="batched",
        metadata=_set_by(
            "batched trains and asks many adapters in one pass; solo one after another, the exact reference; simulated"
            " computes nothing and draws its results, for tests of what surrounds an engine (default: %(default)s)",
            choices=ENGINES,
        ),
    )
    checkpoint_every_steps: int = field(
        default=10,
        metadata=_set_by(
            "steps between checkpoints; 0 for none (default: %(default)s)", int, "STEPS", name="checkpoint-every"
        ),
    )
    slots: int | None = field(
        default=None,
        metadata=_set_by(
            f"trainings taken at once (default: {', '.join(f'{n} for {engine}' for engine, n in SLOTS.items())})",
            _positive,
            "N",
        ),
    )
    token_budget: int | None = field(
        default=None,
        metadata=_set_by(
            "tokens of a batched step; answers wait for a step to end (default: found by timing)", _positive, "N"
        ),
    )
    deterministic: bool = field(
        default=False,
        metadata=_set_by(
            "give each adapter and each answer the same bits whatever else is computed or cached, more slowly; solo"
            " always does so for adapters",
            action="flag",
        ),
    )


@dataclass(frozen=True)
class ServingOptions:
    """How to answer.

    Attributes:
        batched: let rows of all adapters share a forward pass; otherwise, and where the batched engine does not compute
            the model's architecture, only rows of one adapter share one.
        adapter_roots: folders from which clients may load adapters; the store where empty.
    """

    batched: bool = True
    decode_batch: int = field(
        default=64,
        metadata=_set_by("rows that share a forward pass (default: %(default)s)", _positive, "N"),
    )
    prompt_tokens: int | None = field(
        default=None,
        metadata=_set_by(
            "tokens that a forward pass reads of prompts; trainings and other answers wait for a pass to end"
            " (default: 256 on a CPU, 8192 on a GPU)",
            _positive,
            "N",
        ),
    )
    max_rows: int = field(
        default=8192,
        metadata=_set_by(
            "answers waited for or under way; beyond that a request gets status 429 (default: %(default)s)",
            _positive,
            "N",
        ),
    )
    max_body_mib: int = field(
        default=4,
        metadata=_set_by(
            "size of a request's body; a larger one gets status 413 (default: %(default)s)",
            _positive,
            "MIB",
            name="max-body",
        ),
    )
    max_adapters: int = field(
        default=64, metadata=_set_by("adapters on the device (default: %(default)s)", _positive, "N")
    )
    adapter_roots: tuple[Path, ...] = field(
        default=(),
        metadata=_set_by(
            "clients may load adapters from here; may be given several times (default: the store)",
            Path,
            "DIR",
            name="adapter-root",
            action="append",
        ),
    )


@dataclass(frozen=True)
class Options:
    """How a process runs."""

    store: Path = field(metadata=_set_by("artifact store, shared with the workers", Path, "DIR"))
    work: Path = field(metadata=_set_by("checkpoints of trainings under way; keep it", Path, "DIR"))
    models: Path | None = field(
        default=None, metadata=_set_by("model registry (default: the built-in one)", Path, "FILE")
    )
    model: str = field(
        default="smollm2-135m-instruct", metadata=_set_by("which of its models (default: %(default)s)", metavar="NAME")
    )
    cache: Path | None = field(default=None, metadata=_set_by("imported models (default: <work>/models)", Path, "DIR"))
    device: str = field(default="auto", metadata=_set_by("auto, cpu, cuda, cuda:1, … (default: %(default)s)"))
    threads: int | None = field(
        default=None, metadata=_set_by("CPU threads of the model (default: torch decides)", _positive, "N")
    )
    http_host: str = field(
        default="127.0.0.1", metadata=_set_by("address to listen on (default: %(default)s)", metavar="HOST")
    )
    http_port: int = field(default=8000, metadata=_set_by("0 for a free one (default: %(default)s)", int, "PORT"))
    temporal: bool = field(
        default=True, metadata=_set_by("answer over HTTP only", name="no-temporal", action="no-flag")
    )
    task_queue: str = field(
        default="selkie-gpu", metadata=_set_by("Temporal task queue (default: %(default)s)", metavar="NAME")
    )
    log_level: str = field(
        default="info", metadata=_set_by("(default: %(default)s)", choices=("debug", "info", "warning", "error"))
    )
    training: EngineOptions = field(default_factory=EngineOptions)
    serving: ServingOptions = field(default_factory=ServingOptions)

    @property
    def models_cache(self) -> Path:
        """Where imported models are."""
        return self.cache or self.work / "models"
