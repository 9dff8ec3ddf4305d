"""What is asked in the benches of decoding and scoring: the questions of the sample corpus, and adapters to ask."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..batched.base import FrozenBase
from ..batched.inference.adapter_source import ResidentAdapter
from ..batched.lora.frozen import FrozenAdapter
from ..batched.lora.layout import TARGETS, AdapterLayout
from ..batched.lora.mixed_precision import adapter_dtype
from ..lora.weights import LoraWeights
from ..models.loading import LoadedModel
from .edits import SAMPLE

_RANK, _ALPHA = 32, 64.0

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Asked:
    """One question as token ids: put without its document, after it, and the reference answer as it would follow."""

    closed_book: Ids
    in_context: Ids
    answer: Ids


@dataclass(frozen=True)
class Adapter:
    """A random adapter of rank 32 on q and v, as SEAL's are, for both sides."""

    name: str
    weights: LoraWeights
    source: ResidentAdapter


def load_questions(model: LoadedModel, file: Path | None, documents: int) -> list[list[Asked]]:
    """The questions of `documents` documents; a smaller corpus repeats."""
    lines = (file or SAMPLE).read_text(encoding="utf-8").splitlines()
    read = [_of_document(model, json.loads(line)) for line in lines]
    return [read[i % len(read)] for i in range(documents)]


def _of_document(model: LoadedModel, document: dict[str, object]) -> list[Asked]:
    def ids(text: str) -> Ids:
        return tuple(model.tokenizer(text, add_special_tokens=False)["input_ids"])  # pyright: ignore[reportArgumentType]

    title, context = document["title"], document["context"]
    questions = document["questions"]
    assert isinstance(questions, list)
    return [
        Asked(
            closed_book=ids(f"Topic: {title}\nQuestion: {one['question']}\nShort answer:"),
            in_context=ids(f"{title}\n{context}\n\nQuestion: {one['question']}\nShort answer:"),
            answer=ids(f" {one['answer']}"),
        )
        for one in questions
    ]


def random_adapters(decoder: FrozenBase, count: int) -> list[Adapter]:
    """Adapters whose update is as large as a trained one's, about."""
    layout, dtype = AdapterLayout(decoder, _RANK, TARGETS["qv"]), adapter_dtype(decoder, rows=1)
    made: list[Adapter] = []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        flat = torch.randn(layout.size, generator=generator).mul_(0.01).to(decoder.device, dtype)
        view = layout.view(flat)
        modules = list(view.modules())
        weights = LoraWeights(_RANK, _ALPHA, {name: a for name, a, _ in modules}, {name: b for name, _, b in modules})
        name = f"adapter{number}"
        made.append(Adapter(name, weights, ResidentAdapter(name, (FrozenAdapter(view, weights.scale),))))
    return made


def place(model: LoadedModel, adapters: Sequence[Adapter]) -> None:
    """Put the adapters onto the Hugging Face model by PEFT, for the side that asks one after another."""
    for adapter in adapters:
        model.adapters.add(adapter.name, adapter.weights)
