"""What the engine's tests share: tiny models, recipes, datasets."""

import dataclasses
import json
import tempfile
from collections.abc import Generator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from selkie_runner.jobs.job import Recipe, TrainingJob, TrainingProgress, TrainingResult
from selkie_runner.lora.weights import LoraWeights, initial_weights
from selkie_runner.models.loading import LoadedModel, load_model
from selkie_runner.models.spec import ModelSpec

torch.set_num_threads(1)

FAMILIES = ("llama-tiny", "qwen2-tiny")
#: for the tests that hold a layer's ops equal to Hugging Face
ALL_FAMILIES = (*FAMILIES, "mistral-tiny", "qwen3-tiny")

EXAMPLES: list[Mapping[str, Any]] = [
    {"text": "Selkies live in the cold sea."},
    {"text": "A selkie sheds its skin on land."},
    {"prompt": "Where do they live?", "completion": " In the sea."},
    {"text": "Short."},
    {
        "messages": [
            {"role": "user", "content": "Where?"},
            {"role": "assistant", "content": "In the sea."},
        ]
    },
]


@cache
def _cache_dir() -> Path:
    return Path(tempfile.mkdtemp(prefix="selkie-tiny-"))


def tiny(family: str) -> LoadedModel:
    """A fresh tiny model: no adapters on it yet."""
    spec = ModelSpec(name=family, source=f"random:{family}", chat=True, dtype="float32", max_length=1024)
    return load_model(spec, _cache_dir(), device="cpu")


BASIC = Recipe(
    rank=4,
    alpha=8,
    targets="all-linear",
    learning_rate=1e-2,
    schedule="linear",
    epochs=3,
    batch_size=2,
    max_steps=0,
    max_length=64,
    max_grad_norm=1.0,
    weight_decay=0.0,
    loss_on_padding="mask",
    append_eos=True,
)


def dataset(folder: Path, examples: Sequence[Mapping[str, Any]] = EXAMPLES) -> Path:
    """A dataset folder with one example a line."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(example, ensure_ascii=False) + "\n" for example in examples)
    (folder / "data.jsonl").write_text(lines, encoding="utf-8")
    return folder


def job(tmp_path: Path, seed: int = 7, stack: Sequence[Path] = (), **recipe: Any) -> TrainingJob:
    """A training of the basic recipe with the given fields replaced."""
    return TrainingJob(
        training_key="0" * 64,
        stack=list(stack),
        dataset=dataset(tmp_path / "dataset"),
        recipe=dataclasses.replace(BASIC, **recipe),
        seed=seed,
    )


def finish(
    training: Generator[TrainingProgress, None, TrainingResult],
) -> tuple[TrainingResult, list[TrainingProgress]]:
    """Run a training to its end."""
    seen: list[TrainingProgress] = []
    while True:
        try:
            seen.append(next(training))
        except StopIteration as stop:
            return stop.value, seen


def base_weights(model: LoadedModel) -> dict[str, Tensor]:
    """A copy of the base's own weights, by the names they have without any adapter."""
    return {
        name.replace(".base_layer", ""): parameter.detach().clone()
        for name, parameter in model.model.named_parameters()
        if ".lora_" not in name
    }


def assert_same_bits(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@torch.no_grad()
def logits(model: LoadedModel, text: str = "The selkie came home to the sea.") -> Tensor:
    """[1, T, vocabulary], with whatever adapters are active."""
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    return model.model(input_ids=ids).logits


def random_layer(model: LoadedModel, rank: int, seed: int, only: str = "") -> LoraWeights:
    """A layer that has an effect: B is random as well."""
    shapes = {module: shape for module, shape in model.adapters.linear_shapes().items() if only in module}
    layer = initial_weights(shapes, rank=rank, alpha=2 * rank, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    b = {module: torch.randn(tensor.shape, generator=generator) * 0.05 for module, tensor in layer.b.items()}
    return LoraWeights(rank=rank, alpha=layer.alpha, a=layer.a, b=b)
