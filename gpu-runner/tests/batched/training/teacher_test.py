"""Trainings on the learner's own predictions after another prompt, which both engines make alike."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from batched.training.trainer_test import largest_difference
from selkie_runner.batched import BatchedTrainer
from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.training.teaching import Teaching, next_lesson
from selkie_runner.errors import InvalidDataset, InvalidTraining
from selkie_runner.jobs.dataset import Row, encode, load_rows
from selkie_runner.jobs.job import Replay, TrainingJob
from selkie_runner.jobs.lessons import TOP
from selkie_runner.lora.peft_folder import write_adapter
from support.batched import checkpoint_of, recipe, run_all, solo, tiny, true_fp64
from support.engine import FAMILIES, dataset, random_layer

DOCUMENT = "The seal sleeps on the grey rock.\n"
TAUGHT: list[Mapping[str, Any]] = [
    {"text": "the seal eats fish"},
    {"prompt": "where?", "completion": " the rock", "teacher": {"prompt": f"{DOCUMENT}where?", "labelShare": 0.4}},
    {"prompt": "who?", "completion": " the seal", "teacher": {"prompt": f"{DOCUMENT}who?"}, "weight": 0.5},
]
REPLAYED: list[Mapping[str, Any]] = [
    {"prompt": "and?", "completion": " the tide", "teacher": {"prompt": "and?"}},
    {"prompt": "then?", "completion": " a lamp", "teacher": {"prompt": "then?"}},
]


def training(folder: Path, *stack: Path) -> TrainingJob:
    """Distilled rows, with one replayed row in each step."""
    chosen = recipe(rank=4, targets="all-linear", batch_size=2, epochs=2)
    replay = Replay(dataset(folder / "replayed", REPLAYED), 0.5)
    return TrainingJob("key", list(stack), dataset(folder / "data", TAUGHT), chosen, seed=3, replay=replay)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("token_budget", [1000, 40])
def test_rows_with_a_teacher_train_equally_in_both_engines(
    family: str, stacked: bool, token_budget: int, tmp_path: Path
) -> None:
    with true_fp64():
        model = tiny(family)
        write_adapter(random_layer(model, rank=4, seed=5), tmp_path / "below")
        job = training(tmp_path, *([tmp_path / "below"] if stacked else []))
        (handle,) = run_all(BatchedTrainer(model, token_budget=token_budget), [job], tmp_path / "batched")
        result, oracle = handle.future.result(), solo(model, job, tmp_path / "solo")
        assert result.steps == oracle.steps == 4
        assert result.final_loss == pytest.approx(oracle.final_loss, rel=1e-9)
        assert largest_difference(checkpoint_of(handle.work_dir), checkpoint_of(tmp_path / "solo")) < 1e-9


def test_targets_are_what_the_model_predicts_after_the_teachers_prompt() -> None:
    with true_fp64():
        model = tiny("llama-tiny")
        row = encode(TAUGHT[1], model.tokenizer, 64, True)
        [taught], tokens = Teaching(FrozenBase.share(model.model)).teach([row], [], [])
        assert row.teacher is not None
        assert taught.soft_targets is not None
        learnt = row.ids[row.first_target :]
        read = torch.tensor([[*row.teacher.ids, *learnt]])
        assert tokens == read.shape[1]
        logits = model.model(read).logits[0, len(row.teacher.ids) - 1 : -1]
        top = logits.topk(TOP, -1)
        for token, target, labels, values in zip(learnt, taught.soft_targets, top.indices, top.values, strict=True):
            assert target[0] == (token, 0.4)
            shares = 0.6 * torch.softmax(values, -1)
            for (label, share), expected_label, expected in zip(target[1:], labels, shares, strict=True):
                assert label == expected_label
                assert share == pytest.approx(float(expected), abs=1e-12)
            assert math.fsum(share for _, share in target) == pytest.approx(1, abs=1e-6)


def test_jobs_that_replay_the_same_rows_share_their_lessons() -> None:
    model = tiny("llama-tiny")
    teaching = Teaching(FrozenBase.share(model.model))
    replayed = [encode(example, model.tokenizer, 64, True) for example in REPLAYED]
    first, computed = teaching.teach(replayed, [], [])
    again, free = teaching.teach(replayed, [], [])
    assert computed > 0
    assert free == 0
    assert again == first


def test_a_lesson_fits_a_pass_and_mixes_no_replayed_rows_with_others() -> None:
    model = tiny("llama-tiny")
    rows = [encode(example, model.tokenizer, 64, True) for example in (*TAUGHT[1:], *REPLAYED)]
    assert list(next_lesson(rows, 1000)) == rows[:2]
    assert list(next_lesson(rows[2:], 1000)) == rows[2:]
    assert list(next_lesson(rows, 1)) == rows[:1]


def test_a_resumed_training_ends_in_the_same_bits(tmp_path: Path) -> None:
    model = tiny("llama-tiny")
    job = training(tmp_path)

    def trained(folder: Path) -> bytes:
        (handle,) = run_all(BatchedTrainer(model, token_budget=1000), [job], folder)
        return (handle.future.result().layer_dir / "adapter_model.safetensors").read_bytes()

    whole = trained(tmp_path / "whole")
    stopped = BatchedTrainer(model, token_budget=1000)
    handle = stopped.submit(job, tmp_path / "stopped" / "0", 1)
    while handle.progress.step < 2:
        stopped.step()
    assert trained(tmp_path / "stopped") == whole


@pytest.mark.parametrize(
    ("example", "told"),
    [
        ({"text": "a", "teacher": {"prompt": "b"}}, "only a line with a completion"),
        ({"prompt": "a", "completion": "b", "teacher": {"prompt": ""}}, "teacher's prompt is empty"),
        ({"prompt": "a", "completion": "b", "teacher": {"prompt": "c", "labelShare": 1.5}}, "from 0 to 1"),
        ({"prompt": "a", "completion": "b", "teacher": {"prompt": "c", "top": 5}}, "a teacher must be"),
        ({"prompt": "a", "completion": "b", "teacher": "c"}, "a teacher must be"),
        (
            {"prompt": "a", "completion": "b", "teacher": {"prompt": "c"}, "softTargets": [[[1, 1.0]], [[1, 1.0]]]},
            "not both",
        ),
    ],
)
def test_a_malformed_teacher_is_refused(example: Mapping[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match=f"line 1: .*{told}"):
        load_rows(dataset(tmp_path, [example]), tiny("llama-tiny"), 64, False)


def test_a_teacher_that_no_engine_can_follow_is_refused(tmp_path: Path) -> None:
    model = tiny("llama-tiny")
    long = {**TAUGHT[1], "teacher": {"prompt": "the seal " * model.max_length}}
    padded = dataclasses.replace(recipe(), loss_on_padding="reference")
    for example, chosen, told in ((long, recipe(), "a teacher reads"), (TAUGHT[1], padded, "cannot be padded")):
        job = TrainingJob("key", [], dataset(tmp_path / told, [example]), chosen, seed=3)
        (handle,) = run_all(BatchedTrainer(model), [job], tmp_path / told)
        with pytest.raises(InvalidTraining, match=told):
            handle.future.result()
        with pytest.raises(InvalidTraining, match=told):
            solo(model, job, tmp_path / "solo")


def test_a_row_without_a_prompt_has_a_teacher_too(tmp_path: Path) -> None:
    """Nothing of the row precedes its first token, so that token has a target and is not predicted."""
    with true_fp64():
        model = tiny("llama-tiny")
        row = Row((5, 6, 7), 0)
        examples = [{"prompt": "", "completion": "the seal", "teacher": {"prompt": DOCUMENT}}]
        assert row.first_target == 0
        job = TrainingJob("key", [], dataset(tmp_path / "data", examples), recipe(), seed=3)
        (handle,) = run_all(BatchedTrainer(model), [job], tmp_path / "batched")
        oracle = solo(model, job, tmp_path / "solo")
        assert handle.future.result().final_loss == pytest.approx(oracle.final_loss, rel=1e-9)
