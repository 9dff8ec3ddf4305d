"""Whole trainings on weighted and soft targets of a JSONL file: both engines train equal adapters in fp64."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from batched.training.trainer_test import largest_difference
from selkie_runner.batched import BatchedTrainer
from selkie_runner.jobs.dataset import encode
from selkie_runner.jobs.job import LossOnPadding, TrainingJob
from selkie_runner.models.loading import LoadedModel
from support.batched import checkpoint_of, recipe, run_all, solo, tiny, true_fp64
from support.engine import FAMILIES, dataset

SHARES = (0.7, 0.2, 0.1)
EXAMPLES: list[Mapping[str, Any]] = [
    {"text": "the seal eats fish"},
    {"text": "a lamp", "weight": 0.25},
    {"prompt": "who waits?", "completion": " the tide", "weight": -0.5},
]


def with_soft_targets(example: Mapping[str, Any], model: LoadedModel) -> Mapping[str, Any]:
    """The example with three labels for each learnt token."""
    row = encode(example, model.tokenizer, 64, True)
    learnt = row.ids[row.first_target :]
    labels = [[[(token + 7 * k) % len(model.tokenizer), share] for k, share in enumerate(SHARES)] for token in learnt]
    return {**example, "softTargets": labels}


def examples(model: LoadedModel) -> list[Mapping[str, Any]]:
    """Hard and soft rows, each plain, weighted and unlearnt."""
    return [*EXAMPLES, *(with_soft_targets(example, model) for example in EXAMPLES)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("loss_on_padding", ["mask", "reference"])
@pytest.mark.parametrize("token_budget", [1000, 40])
def test_weighted_and_soft_targets_train_equally_in_both_engines(
    family: str, loss_on_padding: LossOnPadding, token_budget: int, tmp_path: Path
) -> None:
    """The step in one pass, and split into several."""
    with true_fp64():
        model = tiny(family)
        chosen = recipe(rank=4, targets="all-linear", batch_size=4, loss_on_padding=loss_on_padding)
        job = TrainingJob("key", [], dataset(tmp_path / "data", examples(model)), chosen, seed=3)
        (handle,) = run_all(BatchedTrainer(model, token_budget=token_budget), [job], tmp_path / "batched")
        result, oracle = handle.future.result(), solo(model, job, tmp_path / "solo")
        assert result.steps == oracle.steps == 4
        assert result.final_loss == pytest.approx(oracle.final_loss, rel=1e-9)
        assert largest_difference(checkpoint_of(handle.work_dir), checkpoint_of(tmp_path / "solo")) < 1e-9


def test_weights_and_soft_targets_change_the_adapter(tmp_path: Path) -> None:
    model = tiny("llama-tiny")
    plain = [{key: value for key, value in example.items() if key != "weight"} for example in EXAMPLES]
    soft = [with_soft_targets(example, model) for example in plain]
    norms = {
        name: solo(
            model, TrainingJob("key", [], dataset(tmp_path / name, rows), recipe(), seed=3), tmp_path / f"{name}-work"
        ).update_norm
        for name, rows in (("plain", plain), ("weighted", EXAMPLES), ("soft", soft))
    }
    assert len(set(norms.values())) == 3
