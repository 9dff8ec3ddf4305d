"""What the service's tests share: the tiny model, an adapter that changes its answers, a running set of parts."""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch

from selkie_runner.lora.peft_folder import write_adapter
from selkie_runner.lora.weights import LoraWeights
from selkie_runner.models.loading import LoadedModel, load_model
from selkie_runner.models.spec import Dtype, ModelSpec
from selkie_runner.ports import Model
from selkie_runner.service.device.loop import DeviceLoop
from selkie_runner.service.options import ServingOptions
from selkie_runner.service.torch_runner import TorchRunner, assemble
from selkie_runner.store.artifacts import DATASET, ArtifactStore
from selkie_runner.wire import ArtifactRefPayload

TINY = ModelSpec(name="tiny", source="random:llama-tiny", chat=True, dtype="float32", max_length=256)


@cache
def cache_dir() -> Path:
    return Path(mkdtemp(prefix="selkie-models-"))


def tiny_model(dtype: Dtype = "float32") -> LoadedModel:
    torch.set_num_threads(1)
    return load_model(replace(TINY, dtype=dtype), cache_dir(), "cpu")


def write_random_adapter(folder: Path, model: LoadedModel, seed: int, *, size: float = 0.3) -> Path:
    """A PEFT folder whose update is large enough to change every answer."""
    shapes = {
        name: shape for name, shape in model.adapters.linear_shapes().items() if name.endswith(("q_proj", "v_proj"))
    }
    random = torch.Generator().manual_seed(seed)
    a = {name: torch.randn(4, columns, generator=random) * size for name, (_, columns) in shapes.items()}
    b = {name: torch.randn(rows, 4, generator=random) * size for name, (rows, _) in shapes.items()}
    write_adapter(LoraWeights(rank=4, alpha=8, a=a, b=b), folder)
    return folder


@contextmanager
def running(root: Path, dtype: Dtype = "float32", **options: Any) -> Generator[TorchRunner]:
    """A runner over a fresh tiny model, its store in `root/store`."""
    device = DeviceLoop().start()
    model = device.call(partial(tiny_model, dtype), name="load").future.result(60)
    try:
        yield assemble(model, device, ArtifactStore(root / "store"), ServingOptions(**options))
    finally:
        device.stop(10)


def dataset(store: ArtifactStore, folder: Path, texts: Sequence[str]) -> ArtifactRefPayload:
    """A published dataset of plain texts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    ref = store.publish(folder, DATASET)
    return ArtifactRefPayload(uri=ref.uri, sha256=ref.sha256, bytes=ref.bytes, media_type=ref.media_type)


def train_payload(
    model: LoadedModel | Model,
    data: ArtifactRefPayload,
    *,
    key: str = "a",
    steps: int = 8,
    max_device_seconds: float = 60,
    **recipe: Any,
) -> dict[str, Any]:
    """A `trainAdapter` request as the workflow sends it; `key` is one hex digit."""
    return {
        "trainingKey": key * 64,
        "base": model.name,
        "baseDigest": model.digest,
        "stack": [],
        "dataset": data.payload(),
        "recipe": {
            "rank": 4,
            "alpha": 8,
            "targets": "qv",
            "learningRate": 1e-2,
            "schedule": "linear",
            "epochs": 100,
            "batchSize": 2,
            "maxSteps": steps,
            "maxLength": 64,
            "maxGradNorm": 1,
            "weightDecay": 0,
            "lossOnPadding": "mask",
            "appendEos": True,
            **recipe,
        },
        "seed": 7,
        "tenant": "demo",
        "maxDeviceSeconds": max_device_seconds,
    }
