"""The simulated generator's answers, row by row."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from selkie_runner.errors import UnsupportedSampling
from selkie_runner.rows import AnswerDelta, DecodedRow, DecodeRow
from selkie_runner.simulated import Knowledge, PieceTokenizer, SimulatedGenerator

TOKENIZER = PieceTokenizer()
ROW = DecodeRow(tuple(TOKENIZER.encode("The séal swam north. It sleeps.", special_tokens=False)), 64, top_logprobs=1)


def answer(row: DecodeRow) -> DecodedRow:
    generator = SimulatedGenerator(Knowledge("digest"), TOKENIZER)
    [found] = asyncio.run(generator.answer(None, [row]))
    return found


@pytest.mark.parametrize("max_tokens", [1, 2, 3, 64])
def test_the_deltas_are_the_answer(max_tokens: int):
    deltas: list[AnswerDelta] = []
    row = replace(ROW, max_tokens=max_tokens)
    found = answer(replace(row, on_delta=deltas.append))
    assert found == answer(row)
    assert "".join(delta.text for delta in deltas) == found.text
    assert [token for delta in deltas for token in delta.tokens] == found.tokens
    assert [logprob for delta in deltas for logprob in delta.logprobs] == found.logprobs


@pytest.mark.parametrize(
    "parameters", [{"logit_bias": ((1, 5.0),)}, {"min_tokens": 2}, {"repetition_penalty": 1.1}, {"ignore_eos": True}]
)
def test_what_would_change_logits_is_refused_by_name(parameters: dict[str, Any]):
    [name] = parameters
    with pytest.raises(UnsupportedSampling, match=name):
        answer(replace(ROW, **parameters))


def test_filters_leave_the_likeliest_answer():
    assert answer(replace(ROW, top_k=1, min_p=0.5, top_p=0.1)) == answer(ROW)
