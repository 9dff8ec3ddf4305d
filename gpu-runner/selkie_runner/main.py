"""The command line: `python -m selkie_runner serve …`. Options with one value may come from SELKIE_<NAME> as well."""

import argparse
import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from importlib.metadata import version
from typing import Any, Final

from .errors import EngineError
from .logs import event, to_stderr
from .service.options import EngineOptions, Option, Options, ServingOptions
from .service.stopping import RunnerBroken

_DESCRIPTION: Final = "Trains and serves LoRA adapters on one device."
_EXAMPLES: Final = """\
examples:
  # the default model on a free port, a Temporal server on localhost:7233
  python -m selkie_runner serve --store .selkie/store --work .selkie/runner --http-port 0

  # another model, more rows per forward pass, no Temporal
  python -m selkie_runner serve --models models.json --model qwen --store /data/store --work /data/work \\
      --decode-batch 64 --no-temporal

  # answers and trainings that repeat bit for bit, whatever else is asked of the device
  python -m selkie_runner serve --store .selkie/store --work .selkie/runner --deterministic

  # no model at all: drawn results, for tests of everything around the engine
  python -m selkie_runner serve --store .selkie/store --work .selkie/runner --engine simulated

Options with one value may come from the environment: SELKIE_STORE, SELKIE_HTTP_PORT, SELKIE_DECODE_BATCH, …
Where Temporal is comes from Temporal's own settings: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, …
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run; returns the exit status."""
    options = parse(arguments)
    to_stderr(options.log_level)
    # after the parsing: `--help` loads no server
    from .service.process import serve  # noqa: PLC0415

    try:
        asyncio.run(serve(options))
    except (EngineError, OSError, RunnerBroken) as error:
        event(logging.getLogger(__name__), logging.ERROR, "cannot_run", reason=str(error))
        return 1
    return 0


def parse(arguments: Sequence[str] | None) -> Options:
    """The options of a command line; exits with a message where it does not parse."""
    parser = argparse.ArgumentParser(prog="selkie_runner", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('selkie-runner')}")
    command = parser.add_subparsers(dest="command", required=True).add_parser(
        "serve",
        help="serve trainings to Temporal and answers over HTTP",
        description="Serves trainings to Temporal and an OpenAI-compatible API over the same weights.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for group in (Options, EngineOptions, ServingOptions):
        for field in fields(group):
            if (option := field.metadata.get("option")) is not None:
                _add(command, field, option)
    given = vars(parser.parse_args(arguments))
    if given["engine"] != "batched" and given["token_budget"] is not None:
        command.error("--token-budget is for --engine batched")
    return Options(
        **_of(Options, given),
        training=EngineOptions(**_of(EngineOptions, given)),
        serving=ServingOptions(**_of(ServingOptions, given), batched=given["engine"] == "batched"),
    )


def _add(command: argparse.ArgumentParser, field: Field[Any], option: Option) -> None:
    name = option.name or field.name.replace("_", "-")
    match option.action:
        case "flag" | "no-flag":
            action = "store_true" if option.action == "flag" else "store_false"
            command.add_argument(f"--{name}", dest=field.name, action=action, help=option.help)
        case "append":
            command.add_argument(
                f"--{name}",
                dest=field.name,
                action="append",
                type=option.parse,
                metavar=option.metavar,
                help=option.help,
            )
        case "value":
            # argparse parses a default that is a string, as it does an argument
            set_to = os.environ.get("SELKIE_" + name.upper().replace("-", "_"))
            command.add_argument(
                f"--{name}",
                dest=field.name,
                default=set_to or (None if field.default is MISSING else field.default),
                required=field.default is MISSING and not set_to,
                type=option.parse,
                metavar=option.metavar,
                choices=option.choices,
                help=option.help,
            )


def _of(group: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    """The fields of one dataclass that the command line sets."""
    options = {field.name: field.metadata["option"] for field in fields(group) if "option" in field.metadata}
    return {
        name: tuple(given[name] or ()) if option.action == "append" else given[name] for name, option in options.items()
    }
