"""What the simulated engine draws: SEAL's variance components, the same from the same names."""

from collections.abc import Callable
from itertools import product
from statistics import fmean

import pytest

from selkie_runner.simulated import Knowledge, simulated_digest
from selkie_runner.simulated.draws import normal, uniform
from selkie_runner.simulated.knowledge import Training

EDITS, QUESTIONS, RUNS, DOCUMENTS = range(40), range(30), range(3), range(12)
KNOWLEDGE = Knowledge(simulated_digest("tiny"))

Answer = tuple[int, int, int]


def _right(document: int) -> Callable[[Answer], float]:
    def right(answer: Answer) -> float:
        edit, question, run = answer
        training = Training(f"edit {document}.{edit}", f"run {document}.{edit}.{run}")
        return float(KNOWLEDGE.in_adapter(training, f"question {document}.{question}"))

    return right


def _components() -> dict[str, float]:
    """By expected mean squares of a balanced design: questions × EDITS, runs within EDITS. Averaged over documents."""
    found: list[dict[str, float]] = []
    for document in DOCUMENTS:
        right = _right(document)
        y = {at: right(at) for at in product(EDITS, QUESTIONS, RUNS)}
        e, q, r = len(EDITS), len(QUESTIONS), len(RUNS)
        mean = fmean(y.values())
        of_edit = {i: fmean(y[i, j, k] for j, k in product(QUESTIONS, RUNS)) for i in EDITS}
        of_question = {j: fmean(y[i, j, k] for i, k in product(EDITS, RUNS)) for j in QUESTIONS}
        of_run = {(i, k): fmean(y[i, j, k] for j in QUESTIONS) for i, k in product(EDITS, RUNS)}
        of_cell = {(i, j): fmean(y[i, j, k] for k in RUNS) for i, j in product(EDITS, QUESTIONS)}
        ms_edit = q * r * sum((of_edit[i] - mean) ** 2 for i in EDITS) / (e - 1)
        ms_question = e * r * sum((of_question[j] - mean) ** 2 for j in QUESTIONS) / (q - 1)
        ms_run = q * sum((of_run[i, k] - of_edit[i]) ** 2 for i, k in of_run) / (e * (r - 1))
        ms_cell = (
            r * sum((of_cell[i, j] - of_edit[i] - of_question[j] + mean) ** 2 for i, j in of_cell) / ((e - 1) * (q - 1))
        )
        ms_rest = sum((value - of_run[i, k] - of_cell[i, j] + of_edit[i]) ** 2 for (i, j, k), value in y.items()) / (
            e * (q - 1) * (r - 1)
        )
        found.append(
            {
                "mean": mean,
                "question": (ms_question - ms_cell) / (e * r),
                "edit": (ms_edit - ms_cell - ms_run + ms_rest) / (q * r),
                "edit × question": (ms_cell - ms_rest) / r,
                "repeat": (ms_run - ms_rest) / q,
                "residual": ms_rest,
            }
        )
    return {name: fmean(one[name] for one in found) for name in found[0]}


def test_right_answers_have_the_variance_components_of_seal():
    found = _components()
    assert found["residual"] == pytest.approx(0.13, abs=0.01)
    assert found["edit × question"] == pytest.approx(0.015, abs=0.003)
    assert found["repeat"] == pytest.approx(0.006, abs=0.002)
    assert found["edit"] == pytest.approx(0.002, abs=0.001)
    assert found["question"] == pytest.approx(0.074, abs=0.015)
    assert found["mean"] == pytest.approx(0.348, abs=0.05)


def test_draws_are_those_of_their_distributions():
    uniforms = [uniform("u", number) for number in range(4000)]
    assert fmean(uniforms) == pytest.approx(0.5, abs=0.02)
    assert min(uniforms) > 0
    assert max(uniforms) < 1
    normals = [normal("n", number) for number in range(4000)]
    assert fmean(normals) == pytest.approx(0, abs=0.06)
    assert fmean(value**2 for value in normals) == pytest.approx(1, abs=0.08)


def test_a_draw_follows_from_its_names_alone():
    assert uniform("a", 1) == uniform("a", 1)
    assert len({uniform("a", 1), uniform("a", 2), uniform("b", 1), uniform("a1")}) == 4
