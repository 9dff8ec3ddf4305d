"""`decode`: how fast many adapters answer, against `transformers.generate` with one adapter at a time.

All sides answer the questions of a document for each adapter, greedily, with a fixed number of tokens. A value is
milliseconds for a token answered.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import torch

from ..batched import FrozenBase, InferenceEngine
from ..models.loading import LoadedModel
from ..rows import DecodeRow
from .engine import add_dtype_option, base
from .environment import describe
from .questions import Adapter, Asked, load_questions, place, random_adapters
from .result import BenchResult, Say, Side, finish, interleaved, medians

SUMMARY = "answering: continuous batching across adapters against transformers.generate, one adapter at a time"

_ADAPTERS = (1, 4, 16, 64)
#: the side one by one costs the same for each adapter, so a few stand for all
_ONE_BY_ONE = 4
_ANSWER_TOKENS = 16
_UNIT = "ms/token"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench alone."""
    add_dtype_option(parser)
    parser.add_argument("--rows", type=int, default=64, metavar="N", help="rows of a pass (default: %(default)s)")


def run(given: argparse.Namespace, say: Say) -> BenchResult:
    """Measure all sides."""
    model = base(given, torch.device("cpu"), given.dtype)
    decoder = FrozenBase.share(model.model)
    adapters = random_adapters(decoder, max(_ADAPTERS))
    questions = load_questions(model, given.data, len(adapters))
    place(model, adapters[:_ONE_BY_ONE])
    sides = {
        "transformers": Side(
            lambda: _one_by_one(model, adapters[:_ONE_BY_ONE], questions),
            _UNIT,
            f"{_ONE_BY_ONE} adapters one after another, the questions of each as one batch",
        ),
        **{
            f"batched.{count}": _batched(model, decoder, given.rows, adapters[:count], questions) for count in _ADAPTERS
        },
    }
    runs = interleaved(sides, given.repeats, say)
    found = medians(sides, runs)
    value = {name: side["value"] for name, side in found.items()}
    return BenchResult(
        bench="decode",
        device=describe(model.device, [model.dtype], "questions of the sample corpus", model.name),
        sides=found,
        ratios={f"adapters{count}": value["transformers"] / value[f"batched.{count}"] for count in _ADAPTERS},
        runs=runs,
    )


def _batched(
    model: LoadedModel,
    decoder: FrozenBase,
    rows: int,
    adapters: Sequence[Adapter],
    questions: Sequence[Sequence[Asked]],
) -> Side:
    def measure() -> float:
        # a fresh one, so that no prompt is known from the repeat before; a random base must not end by chance
        batched = InferenceEngine(decoder, model.model, model.tokenizer, rows=rows, ends=False)
        began = time.perf_counter()
        for adapter, asked in zip(adapters, questions, strict=False):
            batched.generate([DecodeRow(one.closed_book, _ANSWER_TOKENS) for one in asked], adapter.source)
        while batched.step():
            pass
        finish(model.device)
        return _per_token(began, adapters, questions)

    return Side(measure, _UNIT)


@torch.no_grad()
def _one_by_one(model: LoadedModel, adapters: Sequence[Adapter], questions: Sequence[Sequence[Asked]]) -> float:
    began = time.perf_counter()
    for adapter, asked in zip(adapters, questions, strict=False):
        model.adapters.activate(adapter.name)
        width = max(len(one.closed_book) for one in asked)
        padding = [width - len(one.closed_book) for one in asked]
        ids = [[0] * pad + list(one.closed_book) for pad, one in zip(padding, asked, strict=True)]
        mask = [[0] * pad + [1] * (width - pad) for pad in padding]
        hugging_face: Any = model.model
        hugging_face.generate(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            do_sample=False,
            min_new_tokens=_ANSWER_TOKENS,
            max_new_tokens=_ANSWER_TOKENS,
            pad_token_id=0,
        )
    model.adapters.activate(None)
    finish(model.device)
    return _per_token(began, adapters, questions)


def _per_token(began: float, adapters: Sequence[Adapter], questions: Sequence[Sequence[Asked]]) -> float:
    tokens = _ANSWER_TOKENS * sum(len(asked) for asked in questions[: len(adapters)])
    return 1e3 * (time.perf_counter() - began) / tokens
