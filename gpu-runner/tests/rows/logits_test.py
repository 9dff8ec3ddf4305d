"""Biases and penalties, as vLLM defines them."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from selkie_runner.rows import DecodeRow
from selkie_runner.rows.completion import Completion
from selkie_runner.rows.detokenizer import Detokenizer
from selkie_runner.rows.logits import adjusted

PROMPT, ANSWER = (3, 4, 4), (5, 5, 6)
LOGITS = torch.tensor([2.0, -1.0, 0.5, 3.0, -2.0, 1.0, -4.0, 0.0], dtype=torch.float64)
END = 0


def under_way(**parameters: Any) -> Completion:
    row = replace(DecodeRow(PROMPT, 9), **parameters)
    answer = Completion.begin(row, Detokenizer(lambda _: "", row.prompt))
    for token in ANSWER:
        answer.append(token, None)
    return answer


def after(**parameters: Any) -> Tensor:
    [found] = adjusted(LOGITS[None], [under_way(**parameters)], {END})
    return found


def expected(changes: dict[int, float]) -> Tensor:
    logits = LOGITS.clone()
    for token, value in changes.items():
        logits[token] = value
    return logits


def test_nothing_asked_changes_nothing():
    given = LOGITS[None]
    assert adjusted(given, [under_way()], {END}) is given


@pytest.mark.parametrize(
    ("parameters", "changes"),
    [
        ({"logit_bias": ((1, 5.0), (7, -100.0))}, {1: 4.0, 7: -100.0}),
        ({"presence_penalty": 0.5}, {5: 0.5, 6: -4.5}),
        ({"frequency_penalty": 0.5}, {5: 0.0, 6: -4.5}),
        ({"frequency_penalty": -1.0, "presence_penalty": 0.25}, {5: 2.75, 6: -3.25}),
        ({"repetition_penalty": 2.0}, {3: 1.5, 4: -4.0, 5: 0.5, 6: -8.0}),
        ({"repetition_penalty": 2.0, "presence_penalty": 1.0}, {3: 1.5, 4: -4.0, 5: -0.5, 6: -9.0}),
        # the bias comes before the penalties
        ({"repetition_penalty": 2.0, "logit_bias": ((6, 6.0),)}, {3: 1.5, 4: -4.0, 5: 0.5, 6: 1.0}),
        ({"min_tokens": 4}, {END: -torch.inf}),
        ({"min_tokens": 4, "logit_bias": ((END, 100.0),)}, {END: -torch.inf}),
        ({"min_tokens": 3}, {}),
    ],
)
def test_each_parameter_changes_the_logits_of_its_tokens(parameters: dict[str, Any], changes: dict[int, float]):
    assert torch.equal(after(**parameters), expected(changes))


def test_rows_of_a_pass_are_changed_each_by_its_own_parameters():
    asked: list[dict[str, Any]] = [{}, {"presence_penalty": 1.0}, {"logit_bias": ((5, 1.0),)}, {"min_tokens": 9}]
    given = LOGITS.expand(len(asked), -1)
    together = adjusted(given, [under_way(**parameters) for parameters in asked], {END})
    assert torch.equal(together, torch.stack([after(**parameters) for parameters in asked]))
    assert torch.equal(given[0], LOGITS)
