"""A runner that cannot go on ends with an error, so that its supervisor starts another."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from selkie_runner import main
from selkie_runner.errors import DeviceLost
from selkie_runner.service import process
from selkie_runner.service.options import Options
from selkie_runner.service.runner import Backend
from selkie_runner.service.stopping import RunnerBroken


def test_a_runner_whose_device_is_lost_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["serve", "--store", str(tmp_path / "store"), "--work", str(tmp_path / "work"), "--engine", "simulated"]
    options = main.parse([*arguments, "--no-temporal", "--http-port", "0"])
    open_backend = process._backend  # pyright: ignore[reportPrivateUsage]

    @asynccontextmanager
    async def losing(options: Options) -> AsyncGenerator[Backend]:
        async with open_backend(options) as backend:
            asyncio.get_running_loop().call_later(0.5, backend.runner.device.lost.set_result, DeviceLost("burnt"))
            yield backend

    monkeypatch.setattr(process, "_backend", losing)
    with pytest.raises(RunnerBroken, match="burnt"):
        asyncio.run(asyncio.wait_for(process.serve(options), 60))
