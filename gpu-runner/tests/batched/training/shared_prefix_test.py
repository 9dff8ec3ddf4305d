"""Rows that begin alike are computed as one beginning and what follows it; what they teach stays the same."""

from pathlib import Path

from batched.training.trainer_test import largest_difference
from selkie_runner.batched import BatchedTrainer
from selkie_runner.batched.training.packing import Segment, packed_tokens
from selkie_runner.batched.training.shared_prefix import share_prefixes
from selkie_runner.jobs.job import TrainingJob
from support import engine as engine_support
from support.batched import checkpoint_of, recipe, run_all, solo, tiny, true_fp64

SHOWN = tuple(range(100, 150))


def after_shown(*ids: int, first_target: int = 1) -> Segment:
    return Segment((*SHOWN, *ids), len(SHOWN) + first_target, len(SHOWN) + len(ids))


def whole(segment: Segment) -> tuple[int, ...]:
    return (*(segment.prefix.ids if segment.prefix else ()), *segment.ids)


def test_the_longest_common_beginning_is_computed_once() -> None:
    rows = [after_shown(1, 2, 3), after_shown(1, 2, 4), after_shown(1, 5, 6, first_target=2)]
    shared = share_prefixes(rows)
    assert [whole(row) for row in shared] == [row.ids for row in rows]
    assert {tuple(row.prefix.ids) for row in shared if row.prefix} == {SHOWN}, (
        "the 1 predicts the first row's first target"
    )
    assert [list(row.predicted) for row in shared] == [[1, 2], [1, 2], [2]]
    assert packed_tokens(shared) == len(SHOWN) + 3 + 3 + 3


def test_rows_that_begin_otherwise_keep_to_themselves() -> None:
    other = Segment(tuple(range(60)), 55, 60)
    rows = share_prefixes([after_shown(1, 2), other, after_shown(3, 4)])
    assert [row.prefix is not None for row in rows] == [True, False, True]
    assert rows[1] is other


def test_nothing_is_shared_that_is_learnt_short_alone_or_padded_on_purpose() -> None:
    learnt = [Segment((*SHOWN, i), 0, len(SHOWN) + 1) for i in range(2)]
    short = [Segment((1, 2, 3, i), 3, 4) for i in range(2)]
    padded = [Segment((*SHOWN, i, 0, 0), len(SHOWN), len(SHOWN) + 1) for i in range(2)]
    for rows in (learnt, short, padded, [after_shown(1, 2)]):
        assert share_prefixes(rows) == rows


def test_a_row_that_is_all_beginning_keeps_a_token() -> None:
    rows = share_prefixes([Segment(SHOWN, len(SHOWN), len(SHOWN))] * 2)
    assert [len(row.ids) for row in rows] == [1, 1]


def test_a_training_on_shared_beginnings_is_solos(tmp_path: Path) -> None:
    """Whole trainings in fp64, the step in one pass and split into several."""
    shown = "Question: who keeps the lighthouse of Oxhope? Answer: Greta Molle. "
    rows = [{"prompt": f"{shown}Question: {i}?", "completion": f" answer {i * i}"} for i in range(5)]
    chosen = recipe(batch_size=4, targets="all-linear", rank=4, max_length=128)
    job = TrainingJob("key", [], engine_support.dataset(tmp_path, rows), chosen, seed=3)
    with true_fp64():
        model = tiny("llama-tiny")
        solo(model, job, tmp_path / "solo")
        for budget in (1000, 110):
            (handle,) = run_all(BatchedTrainer(model, token_budget=budget), [job], tmp_path / str(budget))
            assert handle.future.result().steps == 4
            found = checkpoint_of(tmp_path / str(budget) / "0")
            assert largest_difference(found, checkpoint_of(tmp_path / "solo")) < 1e-9
