"""`score`: how fast the log-likelihoods of reference answers are read, against one forward pass for each request.

Both sides compute the logits of the answer alone, in the same dtype. A value is milliseconds for an answer scored.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import torch

from ..batched import FrozenBase, InferenceEngine
from ..models.loading import LoadedModel
from ..rows import ScoreRow
from .engine import add_dtype_option, base
from .environment import describe
from .questions import Adapter, Asked, Ids, load_questions, place, random_adapters
from .result import BenchResult, Say, Side, finish, interleaved, medians

SUMMARY = "scoring: reference answers packed, their prompts' prefixes read once, against one request each"

_ADAPTERS = 16
_UNIT = "ms/answer"

#: which of a question's prompts is scored
Prompt = Callable[[Asked], Ids]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this bench alone."""
    add_dtype_option(parser)


def run(given: argparse.Namespace, say: Say) -> BenchResult:
    """Measure all sides."""
    model = base(given, torch.device("cpu"), given.dtype)
    decoder = FrozenBase.share(model.model)
    adapters = random_adapters(decoder, _ADAPTERS)
    questions = load_questions(model, given.data, len(adapters))
    place(model, adapters)
    sides: dict[str, Side] = {}
    for name, prompt in _PROMPTS.items():
        sides[f"one_by_one.{name}"] = _one_by_one(model, adapters, questions, prompt)
        sides[f"packed.{name}"] = _packed(model, decoder, adapters, questions, prompt)
    runs = interleaved(sides, given.repeats, say)
    found = medians(sides, runs)
    value = {name: side["value"] for name, side in found.items()}
    return BenchResult(
        bench="score",
        device=describe(model.device, [model.dtype], "questions of the sample corpus", model.name)
        | {"adapters": _ADAPTERS},
        sides=found,
        ratios={name: value[f"one_by_one.{name}"] / value[f"packed.{name}"] for name in _PROMPTS},
        runs=runs,
    )


_PROMPTS: dict[str, Prompt] = {
    "closed_book": lambda asked: asked.closed_book,
    "in_context": lambda asked: asked.in_context,
}


def _packed(
    model: LoadedModel,
    decoder: FrozenBase,
    adapters: Sequence[Adapter],
    questions: Sequence[Sequence[Asked]],
    prompt: Prompt,
) -> Side:
    def measure() -> float:
        # a fresh one, so that no prompt is known from the repeat before
        batched = InferenceEngine(decoder, model.model, model.tokenizer)
        began = time.perf_counter()
        for adapter, asked in zip(adapters, questions, strict=True):
            rows = [ScoreRow((*prompt(one), *one.answer), start=len(prompt(one))) for one in asked]
            batched.score(rows, adapter.source)
        while batched.step():
            pass
        finish(model.device)
        return _per_answer(began, questions)

    return Side(measure, _UNIT)


def _one_by_one(
    model: LoadedModel, adapters: Sequence[Adapter], questions: Sequence[Sequence[Asked]], prompt: Prompt
) -> Side:
    @torch.no_grad()
    def measure() -> float:
        began = time.perf_counter()
        for adapter, asked in zip(adapters, questions, strict=True):
            model.adapters.activate(adapter.name)
            for one in asked:
                ids = torch.tensor([[*prompt(one), *one.answer]], device=model.device)
                logits = model.model(ids, use_cache=False, logits_to_keep=len(one.answer) + 1).logits[0, :-1]
                logits.float().log_softmax(-1).gather(1, ids[0, -len(one.answer) :, None])
        model.adapters.activate(None)
        finish(model.device)
        return _per_answer(began, questions)

    return Side(measure, _UNIT)


def _per_answer(began: float, questions: Sequence[Sequence[Asked]]) -> float:
    return 1e3 * (time.perf_counter() - began) / sum(map(len, questions))
