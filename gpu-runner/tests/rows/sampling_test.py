"""Choosing tokens against vLLM's order of filters, written out row by row."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from selkie_runner.rows import DecodeRow
from selkie_runner.rows.sampling import choose_tokens, token_logprobs

RANDOM = DecodeRow((1,), 1, temperature=1.0)
ROWS = (
    DecodeRow((1,), 1),
    RANDOM,
    replace(RANDOM, temperature=0.3),
    replace(RANDOM, temperature=1e-6),
    replace(RANDOM, top_p=0.9),
    replace(RANDOM, top_p=1e-9),
    replace(RANDOM, top_k=1),
    replace(RANDOM, top_k=40, temperature=2.0),
    replace(RANDOM, top_k=10**6),
    replace(RANDOM, min_p=0.1),
    replace(RANDOM, min_p=1.0),
    replace(RANDOM, min_p=0.02, top_k=9, top_p=0.6, temperature=1.7),
    replace(RANDOM, top_p=0.9, temperature=50.0),  # close to uniform: nearly all tokens are kept
    replace(RANDOM, top_k=3000, top_p=0.999, temperature=5.0),
)


def logits(rows: int, seed: int, vocabulary: int = 3000) -> Tensor:
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(seed)) * 3


def kept(row: DecodeRow, logits: Tensor) -> Tensor:
    """Chances of one row's tokens after each filter in vLLM's order, scaled to a sum of 1 after each."""
    chances = (logits.double() / row.temperature).softmax(-1)
    chances = torch.where(chances >= row.min_p * chances.max(), chances, 0)
    order = chances.argsort(descending=True, stable=True)
    if row.top_k:
        chances[order[row.top_k :]] = 0
    chances /= chances.sum()
    likely = chances[order]
    chances[order[likely.cumsum(0) - likely >= row.top_p]] = 0
    return chances / chances.sum()


@pytest.mark.parametrize("row", [row for row in ROWS if row.temperature > 1e-5])
def test_draws_follow_the_chances_that_the_filters_leave(row: DecodeRow):
    [given] = logits(1, seed=3)
    count = 2000
    draws = [(i + 0.5) / count for i in range(count)]
    found = choose_tokens(given.expand(count, -1), [row] * count, draws).bincount(minlength=len(given)) / count
    chances = kept(row, given)
    assert not bool(((found > 0) & (chances == 0)).any())
    # evenly spaced draws give each token its share, but for one draw
    assert float((found - chances).abs().max()) <= 1.01 / count


@settings(max_examples=40, deadline=None)
@given(picked=st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_a_row_chooses_the_same_token_alone_and_in_company(picked: list[int], seed: int):
    rows = [ROWS[i] for i in picked]
    given = logits(len(rows), seed)
    draws = torch.rand(len(rows), generator=torch.Generator().manual_seed(seed)).tolist()
    together = choose_tokens(given, rows, draws).tolist()
    alone = [int(choose_tokens(given[i : i + 1], [row], [draws[i]])) for i, row in enumerate(rows)]
    assert together == alone


@pytest.mark.parametrize("draw", [0.0, 0.5, 1 - 2**-53])
@pytest.mark.parametrize("vocabulary", [1, 2, 255, 256, 257])
def test_any_draw_gives_a_token_with_a_chance(vocabulary: int, draw: float):
    given = logits(1, 1, vocabulary)
    given[0, vocabulary // 2] = -torch.inf
    given[0, 0] = 0
    for row in (RANDOM, replace(RANDOM, top_p=0.99), replace(RANDOM, top_k=5)):
        [token] = choose_tokens(given, [row], [draw]).tolist()
        assert given[0, token].isfinite()


def test_rows_of_equal_logits_keep_the_lower_ids():
    [token] = choose_tokens(torch.zeros(1, 100), [replace(RANDOM, top_k=10)], [1 - 2**-53]).tolist()
    assert token == 9


def test_logprobs_are_of_the_logits_given():
    given = logits(4, 5)
    tokens = torch.tensor([7, 0, 2999, 3])
    expected = given.log_softmax(-1)
    for at, found in enumerate(token_logprobs(given, tokens, 3)):
        assert found.token == int(tokens[at])
        assert found.logprob == pytest.approx(float(expected[at, tokens[at]]), abs=1e-5)
        assert [token for token, _ in found.top] == expected[at].topk(3).indices.tolist()
