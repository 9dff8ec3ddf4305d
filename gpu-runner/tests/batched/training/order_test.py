"""In which order rows get their answers, and what long prompts do to the others."""

from collections.abc import Generator
from concurrent.futures import Future
from typing import Any

import pytest

from selkie_runner.batched import FrozenBase, InferenceEngine
from selkie_runner.models.loading import LoadedModel
from selkie_runner.rows import DecodeRow
from support.batched import tiny, true_fp64

PROMPT_TOKENS = 32


@pytest.fixture(scope="module")
def model() -> Generator[LoadedModel]:
    with true_fp64():
        yield tiny("llama-tiny")


def decoder_of(model: LoadedModel, rows: int) -> InferenceEngine:
    shared = FrozenBase.share(model.model)
    return InferenceEngine(shared, model.model, model.tokenizer, rows=rows, prompt_tokens=PROMPT_TOKENS, ends=False)


def row(number: int, prompt_tokens: int, answer_tokens: int) -> DecodeRow:
    """A prompt that shares nothing with another number's."""
    return DecodeRow(tuple(3 + number + step % 2 for step in range(prompt_tokens)), answer_tokens)


def passes_until(decoder: InferenceEngine, futures: list[Future[Any]]) -> list[int]:
    """After how many passes each was answered."""
    ended = [0] * len(futures)
    passes = 0
    while decoder.step():
        passes += 1
        ended = [at or (passes if future.done() else 0) for at, future in zip(ended, futures, strict=True)]
    return ended


def test_the_first_in_line_are_answered_first(model: LoadedModel):
    decoder = decoder_of(model, rows=2)
    futures = decoder.generate([row(2 * number, 4, 5) for number in range(6)])
    assert passes_until(decoder, futures) == [5, 5, 10, 10, 15, 15]


def test_prompts_longer_than_a_pass_should_be_join_those_under_way(model: LoadedModel):
    decoder = decoder_of(model, rows=8)
    futures = decoder.generate([row(2 * number, PROMPT_TOKENS + 8, 10) for number in range(8)])
    # a pass reads 32 tokens: the last prompt is read after 10 passes, and all are answered together
    ended = passes_until(decoder, futures)
    assert max(ended) == 19
    assert min(ended) >= 10


def test_a_short_prompt_behind_long_ones_is_read_in_the_next_pass(model: LoadedModel):
    decoder = decoder_of(model, rows=16)
    long = decoder.generate([row(2 * number, 20 * PROMPT_TOKENS, 1) for number in range(8)])
    decoder.step()
    [short] = decoder.generate([row(20, 4, 2)])
    for _ in range(2):
        decoder.step()
    assert short.done()
    assert not any(future.done() for future in long)


def test_short_prompts_do_not_keep_a_long_one_from_being_read(model: LoadedModel):
    decoder = decoder_of(model, rows=16)
    [long] = decoder.generate([row(0, 4 * PROMPT_TOKENS, 1)])
    passes = 0
    while not long.done():
        # more than a pass reads
        decoder.generate([row(1000 * passes + 2 * number, PROMPT_TOKENS // 2, 1) for number in range(4)])
        decoder.step()
        passes += 1
    # half of each pass
    assert passes == 8


def test_a_short_prompt_behind_a_long_one_does_not_wait_for_other_answers(model: LoadedModel):
    decoder = decoder_of(model, rows=8)
    asked = [row(0, 4, 40), row(2, 3 * PROMPT_TOKENS, 2), row(4, 4, 2)]
    assert passes_until(decoder, decoder.generate(asked)) == [40, 5, 2]


def test_who_waits_is_known_from_the_oldest_on_without_those_who_have_gone(model: LoadedModel):
    decoder = decoder_of(model, rows=1)
    futures = [decoder.generate([row(2 * number, 4, 3)])[0] for number in range(4)]
    decoder.step()
    since = decoder.waiting()
    assert len(since) == 3
    assert since == sorted(since)
    futures[1].cancel()
    assert decoder.waiting() == since[1:]
    passes_until(decoder, [])
    assert decoder.waiting() == []
