"""Batched decoding against decoding one by one, and scoring against the model's own forward pass."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import torch

from selkie_runner.errors import Diverged
from selkie_runner.models.loading import LoadedModel
from selkie_runner.reference.decoding import decode, score
from selkie_runner.rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow
from selkie_runner.rows.sampler import Sampler
from support.service import tiny_model

Out = TypeVar("Out")


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return tiny_model()


def ids(model: LoadedModel, text: str) -> tuple[int, ...]:
    return tuple(model.tokenizer.encode(text))


def decoded(model: LoadedModel, rows: Sequence[DecodeRow]) -> list[DecodedRow]:
    found: dict[int, DecodedRow | Diverged] = {}
    for finished in decode(model.model, model.tokenizer, rows, activate=lambda: None):
        found.update(finished)
    return [_good(found[position]) for position in range(len(rows))]


def scored(model: LoadedModel, rows: Sequence[ScoreRow]) -> list[ScoredRow]:
    found: dict[int, ScoredRow | Diverged] = {}
    for finished in score(model.model, rows, activate=lambda: None):
        found.update(finished)
    return [_good(found[position]) for position in range(len(rows))]


def _good(outcome: Out | Diverged) -> Out:
    assert not isinstance(outcome, Diverged)
    return outcome


def forward(model: LoadedModel, tokens: Sequence[int]) -> torch.Tensor:
    """Log-probabilities [positions, vocabulary] by one plain forward pass."""
    with torch.no_grad():
        return model.model(torch.tensor([list(tokens)])).logits[0].float().log_softmax(-1)


TEXTS = ("a", "The selkie swam north.", "Where?", "Where?", "seal " * 12)


def test_greedy_batch_equals_one_by_one(model: LoadedModel):
    rows = [DecodeRow(ids(model, text), max_tokens=4 + 5 * i, top_logprobs=2) for i, text in enumerate(TEXTS)]
    together = decoded(model, rows)
    for row, answer in zip(rows, together, strict=True):
        [alone] = decoded(model, [row])
        assert (answer.tokens, answer.text, answer.finish_reason) == (alone.tokens, alone.text, alone.finish_reason)
        assert [t.logprob for t in answer.logprobs] == pytest.approx([t.logprob for t in alone.logprobs], abs=1e-4)


def test_a_shared_prefix_changes_no_answer(model: LoadedModel):
    rows = [DecodeRow(ids(model, "The tide turns twice a day. " * 2 + text), 8, top_logprobs=1) for text in TEXTS]
    for row, answer in zip(rows, decoded(model, rows), strict=True):
        [alone] = decoded(model, [row])
        assert answer.tokens == alone.tokens
        assert [t.logprob for t in answer.logprobs] == pytest.approx([t.logprob for t in alone.logprobs], abs=1e-4)


def test_greedy_follows_the_forward_pass(model: LoadedModel):
    prompt = ids(model, "The selkie swam north.")
    [answer] = decoded(model, [DecodeRow(prompt, max_tokens=12, top_logprobs=3)])
    expected = forward(model, [*prompt, *answer.tokens])[len(prompt) - 1 : -1]
    assert answer.tokens == expected.argmax(-1).tolist()
    for token, row in zip(answer.logprobs, expected, strict=True):
        assert token.logprob == pytest.approx(row[token.token].item(), abs=1e-4)
        assert [i for i, _ in token.top] == row.topk(3).indices.tolist()


def test_sampled_rows_do_not_depend_on_the_batch(model: LoadedModel):
    rows = [
        DecodeRow(ids(model, text), max_tokens=16, temperature=0.9, top_p=top_p, seed=5, index=index)
        for index, (text, top_p) in enumerate(zip(TEXTS, (1.0, 0.9, 0.5, 0.95, 0.8), strict=True))
    ]
    together = decoded(model, rows)
    assert [decoded(model, [row])[0].tokens for row in rows] == [answer.tokens for answer in together]
    assert [answer.tokens for answer in decoded(model, rows[::-1])] == [answer.tokens for answer in together[::-1]]


def test_seed_and_index_decide_the_draw(model: LoadedModel):
    row = DecodeRow(ids(model, "Where?"), max_tokens=16, temperature=1.0, seed=5)
    first, again, other_index, other_seed = decoded(model, [row, row, replace(row, index=1), replace(row, seed=6)])
    assert first.tokens == again.tokens
    assert len({tuple(answer.tokens) for answer in (first, other_index, other_seed)}) == 3


def test_sampling_follows_the_models_chances(model: LoadedModel):
    prompt = ids(model, "seal")
    chances = forward(model, prompt)[-1].exp()
    drawn = [
        answer.tokens[0]
        for answer in decoded(
            model, [DecodeRow(prompt, max_tokens=1, temperature=1.0, seed=seed) for seed in range(2000)]
        )
    ]
    likeliest = int(chances.argmax())
    share = drawn.count(likeliest) / len(drawn)
    p = chances[likeliest].item()
    assert abs(share - p) < 4 * (p * (1 - p) / len(drawn)) ** 0.5


def test_top_p_keeps_the_nucleus_only(model: LoadedModel):
    prompt = ids(model, "seal")
    chances, order = forward(model, prompt)[-1].exp().sort(descending=True)
    size = int((chances.cumsum(0) - chances < 0.4).sum())
    rows = [DecodeRow(prompt, max_tokens=1, temperature=1.0, top_p=0.4, seed=seed) for seed in range(300)]
    assert {answer.tokens[0] for answer in decoded(model, rows)} <= set(order[:size].tolist())


def test_stop_string_ends_the_answer_before_it(model: LoadedModel):
    row = DecodeRow(ids(model, "The selkie"), max_tokens=24, temperature=1.0, seed=3)
    [free] = decoded(model, [row])
    stop = free.text[3:5]
    [stopped] = decoded(model, [replace(row, stop=("never seen", stop))])
    assert stopped.text == free.text[: free.text.index(stop)]
    assert (stopped.finish_reason, stopped.stop_reason) == ("stop", stop)
    assert len(stopped.tokens) < len(free.tokens)
    assert free.finish_reason == "length"


def test_end_token_ends_the_answer_and_is_not_in_its_text(model: LoadedModel):
    prompt = ids(model, "The selkie swam north.")
    [free] = decoded(model, [DecodeRow(prompt, max_tokens=8)])
    ordinary = model.model.generation_config.eos_token_id
    model.model.generation_config.eos_token_id = [free.tokens[2]]
    try:
        [ended] = decoded(model, [DecodeRow(prompt, max_tokens=8)])
    finally:
        model.model.generation_config.eos_token_id = ordinary
    assert ended.tokens == free.tokens[: free.tokens.index(free.tokens[2]) + 1]
    assert ended.finish_reason == "stop"
    assert ended.text == model.tokenizer.decode(ended.tokens[:-1])


PARAMETERS: list[dict[str, Any]] = [
    {"presence_penalty": -60.0},
    {"repetition_penalty": 1.8},
    {"logit_bias": ((17, 60.0),)},
    {"temperature": 1.0, "top_k": 5, "min_p": 0.01, "seed": 4},
    {"temperature": 1.0, "seed": 4, "repetition_penalty": 1.3},
]


def test_each_parameter_counts_for_its_own_row_only(model: LoadedModel):
    prompt = ids(model, "The selkie swam north.")
    rows = [DecodeRow(prompt, max_tokens=12), *(DecodeRow(prompt, max_tokens=12, **given) for given in PARAMETERS)]
    together = [answer.tokens for answer in decoded(model, rows)]
    assert together == [decoded(model, [row])[0].tokens for row in rows]
    assert len(set(map(tuple, together))) == len(rows)


def test_no_end_token_comes_before_min_tokens(model: LoadedModel):
    prompt = ids(model, "The selkie swam north.")
    end: Any = model.tokenizer.eos_token_id
    likes_to_end = DecodeRow(prompt, 8, logit_bias=((end, 100.0),))
    rows = [likes_to_end, replace(likes_to_end, min_tokens=3), replace(likes_to_end, ignore_eos=True)]
    assert [len(answer.tokens) for answer in decoded(model, rows)] == [1, 4, 8]


def test_a_row_of_infinite_logits_fails_alone(model: LoadedModel):
    rows = [DecodeRow(ids(model, text), max_tokens=4) for text in TEXTS[:2]]
    expected = decoded(model, rows[:1])
    sampler = Sampler(model.model, model.tokenizer)
    answers = [sampler.begin(row) for row in rows]
    logits = forward(model, rows[0].prompt)[-1:].repeat(2, 1)
    for bad in (torch.nan, torch.inf):
        logits[1, 5] = bad
        first, second = sampler.extend(answers, logits)
        assert first is None
        assert isinstance(second, Diverged)
    assert answers[0].tokens[0] == expected[0].tokens[0]
    assert not answers[1].tokens


def test_a_broken_adapter_answers_and_scores_nothing(model: LoadedModel):
    norm: torch.Tensor = model.model.model.norm.weight
    ordinary = norm.detach().clone()
    prompt = ids(model, "The selkie swam north.")
    try:
        norm.data[3] = torch.nan
        [[(_, answer)]] = decode(model.model, model.tokenizer, [DecodeRow(prompt, 4)], activate=lambda: None)
        [[(_, scores)]] = score(model.model, [ScoreRow(prompt)], activate=lambda: None)
    finally:
        norm.data.copy_(ordinary)
    assert isinstance(answer, Diverged)
    assert isinstance(scores, Diverged)


def test_unwanted_rows_are_dropped(model: LoadedModel):
    rows = [DecodeRow(ids(model, text), max_tokens=6) for text in TEXTS]
    finished = [
        position
        for step in decode(model.model, model.tokenizer, rows, activate=lambda: None, wanted=lambda i: i != 2)
        for position, _ in step
    ]
    assert sorted(finished) == [0, 1, 3, 4]


def test_scores_equal_the_forward_pass(model: LoadedModel):
    rows = [ScoreRow(ids(model, text), top_logprobs=2) for text in (*TEXTS, "long " * 200)]
    for row, found in zip(rows, scored(model, rows), strict=True):
        assert found[0] is None
        expected = forward(model, row.tokens)
        for position, token in enumerate(found[1:]):
            assert token is not None
            assert token.logprob == pytest.approx(expected[position, row.tokens[position + 1]].item(), abs=1e-4)
            assert [i for i, _ in token.top] == expected[position].topk(2).indices.tolist()


def test_one_row_repeats_bit_for_bit(model: LoadedModel):
    row = ScoreRow(ids(model, "The selkie swam north."), top_logprobs=1)
    assert scored(model, [row]) == scored(model, [row])
