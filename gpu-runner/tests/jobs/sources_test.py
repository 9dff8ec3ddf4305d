"""Row sources: what each step draws, and trainings that resume from them."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
import torch

from batched.training.trainer_test import largest_difference
from selkie_runner.batched import BatchedTrainer
from selkie_runner.errors import InvalidDataset, InvalidTraining
from selkie_runner.jobs.dataset import Row
from selkie_runner.jobs.job import Replay, TrainingJob, TrainingResult
from selkie_runner.jobs.schedule import total_steps
from selkie_runner.jobs.sources import RowSource, ShuffledEpochs, WithReplay, row_source
from selkie_runner.models.loading import LoadedModel
from support.batched import checkpoint_of, run_all, solo, true_fp64
from support.batched import tiny as tiny_in_fp64
from support.engine import BASIC, dataset, job, tiny

REPLAYED = [{"text": "The lamp is lit at dusk.", "weight": 0.25}, {"text": "Boats wait.", "weight": -0.5}]


def rows(count: int, first: int = 0) -> list[Row]:
    return [Row((first + number, 1), 0) for number in range(count)]


def replaying(folder: Path, ratio: float = 0.75) -> TrainingJob:
    """A training of 9 steps that replays 1 or 2 rows in each."""
    replay = Replay(dataset(folder / "replayed", REPLAYED), ratio)
    return dataclasses.replace(job(folder, weight_decay=0.01), replay=replay)


def layer_bytes(result: TrainingResult) -> bytes:
    return (result.layer_dir / "adapter_model.safetensors").read_bytes()


def test_rows_are_not_used_twice_in_an_epoch() -> None:
    source = ShuffledEpochs(rows(5), batch_size=2, epochs=2, seed=1)
    assert source.steps == 6
    epochs = [[source.draw(3 * epoch + batch) for batch in range(3)] for epoch in range(2)]
    for batches in epochs:
        assert sorted(row for batch in batches for row in batch) == [0, 1, 2, 3, 4]
        assert [len(batch) for batch in batches] == [2, 2, 1]
    assert epochs[0] != epochs[1]


def test_the_order_of_an_epoch_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    randperm = torch.randperm

    def counted(count: int, *, generator: torch.Generator) -> torch.Tensor:
        drawn.append(count)
        return randperm(count, generator=generator)

    monkeypatch.setattr(torch, "randperm", counted)
    source = WithReplay(ShuffledEpochs(rows(50), batch_size=1, epochs=2, seed=1), rows(7), ratio=0.1, seed=1)
    for step in range(source.steps):
        source.draw(step)
    # two epochs of 50 rows, and 10 replayed of 7
    assert sorted(drawn) == [7, 7, 50, 50]


def test_max_steps_caps_the_steps_of_a_source() -> None:
    source = ShuffledEpochs(rows(5), batch_size=2, epochs=2, seed=1)
    assert [total_steps(source, dataclasses.replace(BASIC, max_steps=cap)) for cap in (0, 4, 9)] == [6, 4, 6]


@pytest.mark.parametrize(
    ("ratio", "replayed"), [(0.25, [0, 1, 0, 1, 0, 1]), (0.75, [1, 2, 1, 2, 1, 2]), (1.5, [3] * 6)]
)
def test_replay_adds_its_share_of_rows_to_the_steps_of_the_first_source(ratio: float, replayed: list[int]) -> None:
    own = ShuffledEpochs(rows(6), batch_size=2, epochs=2, seed=1)
    source = WithReplay(own, rows(3, first=6), ratio, seed=1)
    steps = [source.draw(step) for step in range(source.steps)]
    assert [[row for row in drawn if row < 6] for drawn in steps] == [own.draw(step) for step in range(own.steps)]
    assert [sum(row >= 6 for row in drawn) for drawn in steps] == replayed
    assert source.rows_per_step == 2 + 2 * ratio
    assert [row.ids[0] for row in source.rows] == list(range(9))


def test_each_replayed_row_comes_once_before_any_comes_again() -> None:
    source = WithReplay(ShuffledEpochs(rows(4), 1, 3, seed=5), rows(4), 1.0, seed=5)
    replayed = [row for step in range(source.steps) for row in source.draw(step) if row >= 4]
    assert [Counter(replayed[start : start + 4]) for start in (0, 4, 8)] == [Counter([4, 5, 6, 7])] * 3


def test_a_draw_depends_on_the_step_alone() -> None:
    def source() -> RowSource:
        return WithReplay(ShuffledEpochs(rows(5), 2, 2, seed=3), rows(3), 0.75, seed=3)

    forwards = [source().draw(step) for step in range(6)]
    one = source()
    assert [one.draw(step) for step in reversed(range(6))] == forwards[::-1]


def test_replayed_rows_keep_their_weights(tmp_path: Path) -> None:
    source = row_source(replaying(tmp_path), tiny("llama-tiny"))
    assert [row.weight for row in source.rows] == [1.0] * 5 + [0.25, -0.5]


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan"), float("inf")])
def test_a_replay_without_a_positive_ratio_is_refused(ratio: float, tmp_path: Path) -> None:
    with pytest.raises(InvalidTraining, match="ratio must be a positive number"):
        row_source(replaying(tmp_path, ratio), tiny("llama-tiny"))


def test_a_replay_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    missing = dataclasses.replace(job(tmp_path), replay=Replay(tmp_path / "nowhere", 1.0))
    with pytest.raises(InvalidDataset, match="cannot read"):
        row_source(missing, tiny("llama-tiny"))


@pytest.mark.parametrize("replay", [False, True])
def test_a_resumed_solo_training_ends_in_the_same_bits(replay: bool, tmp_path: Path) -> None:
    training = replaying(tmp_path) if replay else job(tmp_path)
    model = tiny("llama-tiny")
    whole = solo(model, training, tmp_path / "whole", every=2)
    solo(model, training, tmp_path / "stopped", every=2, stop_after=5)
    resumed = solo(model, training, tmp_path / "stopped", every=2)
    assert resumed.resumed_from_step == 4
    assert (resumed.tokens, resumed.final_loss) == (whole.tokens, whole.final_loss)
    assert layer_bytes(resumed) == layer_bytes(whole)


@pytest.mark.parametrize("replay", [False, True])
def test_a_resumed_batched_training_ends_in_the_same_bits(replay: bool, tmp_path: Path) -> None:
    training = replaying(tmp_path) if replay else job(tmp_path)
    model = tiny("llama-tiny")
    whole = batched(model, training, tmp_path / "whole")
    stopped = BatchedTrainer(model)
    stopped.submit(training, tmp_path / "stopped", 2)
    for _ in range(5):
        stopped.step()
    resumed = batched(model, training, tmp_path / "stopped")
    assert resumed.resumed_from_step == 4
    assert (resumed.tokens, resumed.final_loss) == (whole.tokens, whole.final_loss)
    assert layer_bytes(resumed) == layer_bytes(whole)


def batched(model: LoadedModel, training: TrainingJob, folder: Path) -> TrainingResult:
    engine = BatchedTrainer(model)
    handle = engine.submit(training, folder, 2)
    while engine.step():
        pass
    return handle.future.result()


def test_replay_changes_what_is_learnt(tmp_path: Path) -> None:
    with_replay = solo(tiny("llama-tiny"), replaying(tmp_path), tmp_path / "replay")
    without = solo(tiny("llama-tiny"), job(tmp_path, weight_decay=0.01), tmp_path / "own")
    assert with_replay.steps == without.steps
    assert with_replay.tokens > without.tokens
    assert layer_bytes(with_replay) != layer_bytes(without)


@pytest.mark.parametrize("padded", [False, True])
def test_replay_trains_equally_in_both_engines(padded: bool, tmp_path: Path) -> None:
    training = replaying(tmp_path)
    if padded:
        training = dataclasses.replace(
            training, recipe=dataclasses.replace(training.recipe, loss_on_padding="reference")
        )
    with true_fp64():
        model = tiny_in_fp64("llama-tiny")
        (handle,) = run_all(BatchedTrainer(model), [training], tmp_path / "batched")
        result, oracle = handle.future.result(), solo(model, training, tmp_path / "solo")
    assert result.tokens == oracle.tokens
    assert largest_difference(checkpoint_of(handle.work_dir), checkpoint_of(tmp_path / "solo")) < 1e-9
