"""The command line: `python -m selkie_runner serve …`. Options with one value may come from SELKIE_<NAME> as well."""

import argparse
import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from .errors import EngineError
from .logs import event, to_stderr
from .service.process import Options, serve
from .service.runner import ServingOptions
from .service.training.choose import ENGINES, SLOTS, EngineOptions

_EXAMPLES = """\
examples:
  # the default model on a free port, a Temporal server on localhost:7233
  python -m selkie_runner serve --store .selkie/store --work .selkie/runner --http-port 0

  # another model, more rows per forward pass, no Temporal
  python -m selkie_runner serve --models models.json --model qwen --store /data/store --work /data/work \\
      --decode-batch 64 --no-temporal

  # answers and trainings that repeat bit for bit, whatever else is asked of the device
  python -m selkie_runner serve --store .selkie/store --work .selkie/runner --decode-batch 1 --deterministic

Options with one value may come from the environment: SELKIE_STORE, SELKIE_HTTP_PORT, SELKIE_DECODE_BATCH, …
Where Temporal is comes from Temporal's own settings: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, …
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run; returns the exit status."""
    given = _parse(arguments)
    to_stderr(given.log_level)
    options = Options(
        models=given.models,
        model=given.model,
        store=given.store,
        work=given.work,
        cache=given.cache or given.work / "models",
        device=given.device,
        threads=given.threads,
        http_host=given.http_host,
        http_port=given.http_port,
        temporal=given.temporal,
        task_queue=given.task_queue,
        training=EngineOptions(
            engine=given.engine,
            checkpoint_every_steps=given.checkpoint_every,
            slots=given.slots,
            token_budget=given.token_budget,
            deterministic=given.deterministic,
        ),
        serving=ServingOptions(
            batched=given.engine == "batched",
            decode_batch=given.decode_batch,
            max_rows=given.max_rows,
            max_adapters=given.max_adapters,
            adapter_roots=tuple(given.adapter_root or ()),
        ),
    )
    try:
        asyncio.run(serve(options))
    except (EngineError, OSError) as error:
        event(logging.getLogger(__name__), logging.ERROR, "cannot_run", reason=str(error))
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.engine == "solo" and given.token_budget is not None:
        parser.error("--token-budget is for --engine batched")
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="selkie_runner", description="Trains and serves LoRA adapters on one device.")
    command = parser.add_subparsers(dest="command", required=True).add_parser(
        "serve",
        help="serve trainings to Temporal and answers over HTTP",
        description="Serves trainings to Temporal and an OpenAI-compatible API over the same weights.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def option(name: str, **settings: object) -> None:
        # argparse passes a default that is a string through `type`, as it does what is typed
        default = settings.pop("default", None)
        default = os.environ.get("SELKIE_" + name.upper().replace("-", "_")) or default
        required = settings.pop("required", False) and default is None
        command.add_argument(f"--{name}", default=default, required=required, **settings)  # pyright: ignore[reportArgumentType]

    option("models", type=Path, metavar="FILE", help="model registry (default: the built-in one)")
    option("model", default="smollm2-135m-instruct", metavar="NAME", help="which of its models (default: %(default)s)")
    option("store", type=Path, required=True, metavar="DIR", help="artifact store, shared with the workers")
    option("work", type=Path, required=True, metavar="DIR", help="checkpoints of trainings under way; keep it")
    option("cache", type=Path, metavar="DIR", help="imported models (default: <work>/models)")
    option("device", default="auto", help="auto, cpu, cuda, cuda:1, … (default: %(default)s)")
    option("threads", type=_positive, metavar="N", help="CPU threads of the model (default: torch decides)")
    option("http-host", default="127.0.0.1", metavar="HOST", help="address to listen on (default: %(default)s)")
    option("http-port", type=int, default=8000, metavar="PORT", help="0 for a free one (default: %(default)s)")
    option("task-queue", default="selkie-gpu", metavar="NAME", help="Temporal task queue (default: %(default)s)")
    option(
        "engine",
        choices=ENGINES,
        default="batched",
        help="batched trains and asks many adapters in one pass; solo one after another, the exact reference"
        " (default: %(default)s)",
    )
    slots = ", ".join(f"{number} for {engine}" for engine, number in SLOTS.items())
    option("slots", type=_positive, metavar="N", help=f"trainings taken at once (default: {slots})")
    option(
        "token-budget",
        type=_positive,
        metavar="N",
        help="tokens of a batched step; answers wait for a step to end (default: found by timing)",
    )
    command.add_argument(
        "--deterministic",
        action="store_true",
        help="batched: train each adapter to the same bits whatever trains beside it, more slowly; solo always does",
    )
    option(
        "checkpoint-every",
        type=int,
        default=10,
        metavar="STEPS",
        help="steps between checkpoints; 0 for none (default: %(default)s)",
    )
    option(
        "decode-batch",
        type=_positive,
        default=64,
        metavar="N",
        help="rows that share a forward pass; with 1 answers repeat bit for bit (default: %(default)s)",
    )
    option(
        "max-rows",
        type=_positive,
        default=8192,
        metavar="N",
        help="answers waited for or under way; beyond that a request gets status 429 (default: %(default)s)",
    )
    option(
        "max-adapters", type=_positive, default=64, metavar="N", help="adapters on the device (default: %(default)s)"
    )
    command.add_argument(
        "--adapter-root",
        type=Path,
        action="append",
        metavar="DIR",
        help="clients may load adapters from here; may be given several times (default: the store)",
    )
    command.add_argument("--no-temporal", dest="temporal", action="store_false", help="answer over HTTP only")
    option("log-level", choices=("debug", "info", "warning", "error"), default="info", help="(default: %(default)s)")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
