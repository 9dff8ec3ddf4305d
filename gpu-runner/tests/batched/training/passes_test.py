"""Steps that are longer than a pass: split for linear objectives, refused for others."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from torch import Tensor

from selkie_runner.batched import BatchedTrainer
from selkie_runner.batched.training import job_state
from selkie_runner.batched.training.objectives import Objective, WeightedLikelihood
from selkie_runner.errors import InvalidTraining
from selkie_runner.jobs.job import TrainingJob
from support.batched import recipe, run_all, texts, tiny

LINES = ["the seal eats fish", "a lamp at the door", "wind and ice", "boats wait"]
#: above and below the tokens of a step with all `LINES`
WHOLE, SPLIT = 1000, 40


class Squared:
    """The square of the weighted likelihood: its derivative at a target depends on all targets of the step."""

    linear = False

    def __call__(self, log_probs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        loss, derivative = WeightedLikelihood()(log_probs, weights)
        return loss**2, 2 * loss * derivative


def job(folder: Path, key: str, max_steps: int = 0) -> TrainingJob:
    return TrainingJob(key, [], texts(folder / key, LINES), recipe(batch_size=4, max_steps=max_steps), seed=3)


def give(patch: pytest.MonkeyPatch, objectives: Sequence[Objective]) -> None:
    """The next jobs that begin have these objectives, one each."""
    remaining = iter(objectives)
    patch.setattr(job_state, "WeightedLikelihood", lambda: next(remaining))


def test_a_step_that_cannot_be_split_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, [Squared(), WeightedLikelihood()])
    engine = BatchedTrainer(tiny("llama-tiny"), token_budget=SPLIT)
    squared, linear = run_all(engine, [job(tmp_path, "squared"), job(tmp_path, "linear")], tmp_path / "work")
    with pytest.raises(InvalidTraining, match=f"longer than a pass of {SPLIT}, and its objective is not linear"):
        squared.future.result()
    assert linear.future.result().steps == 2


def test_a_step_of_one_pass_has_any_objective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, [Squared(), WeightedLikelihood()])
    jobs = [job(tmp_path, "squared", max_steps=1), job(tmp_path, "linear", max_steps=1)]
    engine = BatchedTrainer(tiny("llama-tiny"), token_budget=WHOLE)
    squared, linear = (handle.future.result() for handle in run_all(engine, jobs, tmp_path / "work"))
    assert linear.final_loss is not None
    assert squared.final_loss == pytest.approx(linear.final_loss**2)
