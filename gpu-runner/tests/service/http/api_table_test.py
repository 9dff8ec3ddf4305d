"""Every value of the tables in docs/api.md is sent: what passes is answered, what is refused is refused by name."""

import asyncio
import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from selkie_runner.service.http.app import create_app
from selkie_runner.service.http.parameters import HINTS, UNSUPPORTED
from selkie_runner.service.torch_runner import TorchRunner
from support.service import running

PAGE = (Path(__file__).parents[4] / "docs" / "api.md").read_text(encoding="utf-8")
PATHS = {"completions": ["/v1/completions"], "chat": ["/v1/chat/completions"]}
PATHS["both"] = [path for paths in PATHS.values() for path in paths]


def rows(header: str) -> list[list[str]]:
    """The cells of the table with this first row."""
    lines = PAGE.splitlines()
    start = next(at for at, line in enumerate(lines) if re.sub(" +", " ", line).startswith(header))
    table = lines[start + 2 : lines.index("", start)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


SUPPORTED_ROWS = rows("| parameter | endpoint |")
UNSUPPORTED_ROWS = rows("| parameter | passes |")


def sent(path: str, name: str, value: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"max_tokens": 1}
    body |= {"prompt": "seal"} if path == "/v1/completions" else {"messages": [{"role": "user", "content": "x"}]}
    return {**body, name: value}


def cases() -> list[tuple[str, str, Any, int]]:
    """Path, parameter, value and status."""
    supported = [
        (name.strip("`"), PATHS[endpoint], passes, refused) for name, endpoint, passes, refused, _ in SUPPORTED_ROWS
    ]
    unsupported = [(name.strip("`"), PATHS["both"], passes, refused) for name, passes, refused, _ in UNSUPPORTED_ROWS]
    return [
        (path, name, json.loads(value), status)
        for name, paths, *cells in [*supported, *unsupported]
        for path in paths
        for cell, status in zip(cells, (200, 400), strict=True)
        for value in re.findall("`([^`]+)`", cell)
    ]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Generator[TorchRunner]:
    with running(tmp_path_factory.mktemp("runner")) as parts:
        yield parts


def test_values_pass_and_are_refused_as_the_tables_say(runner: TorchRunner):
    async def scenario() -> list[str]:
        transport = httpx.ASGITransport(create_app(runner), raise_app_exceptions=False)
        wrong: list[str] = []
        async with httpx.AsyncClient(transport=transport, base_url="http://runner", timeout=60) as client:
            for path, name, value, status in cases():
                answer = await client.post(path, json=sent(path, name, value))
                named = status == 200 or name in json.dumps(answer.json())
                if answer.status_code != status or not named:
                    wrong.append(f"{path} {name}={value!r}: {answer.status_code} instead of {status}: {answer.text}")
        return wrong

    assert len(cases()) > 150
    assert asyncio.run(scenario()) == []


def test_the_tables_have_every_parameter():
    listed = {row[0].strip("`") for row in UNSUPPORTED_ROWS}
    assert listed >= UNSUPPORTED.keys()
    assert all(f"`{name}`" in PAGE for name in HINTS)
