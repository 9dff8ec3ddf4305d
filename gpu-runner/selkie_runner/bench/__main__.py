"""`python -m selkie_runner.bench NAME [--json]`: the result goes to standard output, progress to standard error."""

import argparse
import contextlib
import importlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import torch
import transformers

from .result import BenchResult, Say


class Bench(Protocol):
    """What a module of `BENCHES` has."""

    SUMMARY: str

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """The options of this bench alone."""
        ...

    def run(self, given: argparse.Namespace, say: Say) -> BenchResult:
        """Measure."""
        ...


#: each a module of this package with `SUMMARY`, `add_options` and `run`
BENCHES = ("decode", "engine", "gpu", "profile", "score")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one bench and print its result; returns the exit status."""
    benches = {name: cast(Bench, importlib.import_module(f".{name}", __package__)) for name in BENCHES}
    given = _parser(benches).parse_args(arguments)
    if given.threads is not None:
        torch.set_num_threads(given.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # libraries that print must not print into the result
    with contextlib.redirect_stdout(sys.stderr):
        result = benches[given.bench].run(given, _say)
    print(json.dumps(result.as_json(), indent=2) if given.json else _text(result))
    return 0


def _parser(benches: dict[str, Bench]) -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON instead of a table")
    common.add_argument("--repeats", type=int, default=5, metavar="N", help="of every side (default: %(default)s)")
    common.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: torch decides)")
    common.add_argument("--model", metavar="NAME", help="a real model of the registry instead of random weights")
    common.add_argument("--models", type=Path, metavar="FILE", help="model registry (default: the built-in one)")
    common.add_argument("--shape", metavar="NAME", help="shape of the random weights; `tiny` for a try")
    common.add_argument(
        "--data", type=Path, metavar="FILE", help="self-edits (default: SEAL's, else the sample corpus)"
    )
    common.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "selkie-bench-models",
        metavar="DIR",
        help="imported models (default: %(default)s)",
    )
    parser = argparse.ArgumentParser(prog="python -m selkie_runner.bench", description=__doc__)
    commands = parser.add_subparsers(dest="bench", required=True)
    for name, bench in benches.items():
        bench.add_options(commands.add_parser(name, parents=[common], help=bench.SUMMARY, description=bench.SUMMARY))
    return parser


def _text(result: BenchResult) -> str:
    lines = [f"{name:28} {side['value']:10.4g} {side['unit']}" for name, side in result.sides.items()]
    return "\n".join([*lines, "", *(f"{name:28} {ratio:10.3g}" for name, ratio in result.ratios.items())])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
