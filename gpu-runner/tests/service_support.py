"""What the service's tests share: the tiny model, an adapter that changes its answers, a running set of parts."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

import torch

from selkie_runner.artifacts import ArtifactStore
from selkie_runner.export import write_adapter
from selkie_runner.lora import LoraWeights
from selkie_runner.models import LoadedModel, load_model
from selkie_runner.registry import ModelSpec
from selkie_runner.service.device import DeviceLoop
from selkie_runner.service.runner import Runner, assemble

T = TypeVar("T")

TINY = ModelSpec(name="tiny", source="random:llama-tiny", chat=True, dtype="float32", max_length=256)


@cache
def cache_dir() -> Path:
    return Path(mkdtemp(prefix="selkie-models-"))


def tiny_model() -> LoadedModel:
    torch.set_num_threads(1)
    return load_model(TINY, cache_dir(), "cpu")


def write_random_adapter(folder: Path, model: LoadedModel, seed: int, rank: int = 4) -> Path:
    """A PEFT folder whose update is large enough to change every answer."""
    shapes = {
        name: shape for name, shape in model.adapters.linear_shapes().items() if name.endswith(("q_proj", "v_proj"))
    }
    random = torch.Generator().manual_seed(seed)
    a = {name: torch.randn(rank, columns, generator=random) * 0.3 for name, (_, columns) in shapes.items()}
    b = {name: torch.randn(rows, rank, generator=random) * 0.3 for name, (rows, _) in shapes.items()}
    write_adapter(LoraWeights(rank=rank, alpha=2 * rank, a=a, b=b), folder)
    return folder


def finish(steps: Generator[object, None, T]) -> T:
    """Run a generator to its end and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


@contextmanager
def running(root: Path, **options: Any) -> Generator[Runner]:
    """A runner over a fresh tiny model, its store in `root/store`."""
    device = DeviceLoop().start()
    model = device.call(tiny_model, name="load").future.result(60)
    try:
        yield assemble(model, device, ArtifactStore(root / "store"), **options)
    finally:
        device.stop(10)
