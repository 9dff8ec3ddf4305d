"""Hidden states below the lowest trained layer are computed once per row; results do not change."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from batched.training.trainer_test import largest_difference, policy, same_bits
from selkie_runner.batched import BatchedTrainer
from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.lora.layout import AdapterLayout
from selkie_runner.batched.training import hidden_cache, passes
from selkie_runner.batched.training.hidden_cache import next_rows, with_cached_hidden, worth_caching
from selkie_runner.batched.training.packing import Segment, StepPlan
from selkie_runner.batched.training.shared_prefix import share_prefixes, slice_pieces
from selkie_runner.jobs.job import TrainingJob
from support.batched import checkpoint_of, recipe, run_all, solo, tiny, true_fp64
from support.engine import FAMILIES

PROMPT = "the selkie sheds its skin on the shore "
#: two rows begin alike, for longer than a shared beginning must be, and are asked for their ends alone
EXAMPLES = [*({"prompt": PROMPT, "completion": end} for end in ("at dusk", "and dances")), {"text": "a short one"}]


def job(folder: Path, stack: list[Path], **changes: Any) -> TrainingJob:
    chosen = recipe(rank=8, targets="all-linear", frozen_below=0.5, epochs=3, batch_size=2, **changes)
    folder.mkdir(parents=True, exist_ok=True)
    dataset = folder / "dataset.jsonl"
    dataset.write_text("".join(json.dumps(example) + "\n" for example in EXAMPLES))
    return TrainingJob("key", stack, dataset, chosen, 7)


class Watched:
    """Counts the tokens of the lower layers' passes, and of the steps that begin above them or at the embedding."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.read: list[int] = []
        self.above = 0
        self.whole = 0
        states_below, forward_backward = hidden_cache.states_below, passes.forward_backward

        def below(decoder: FrozenBase, plan: StepPlan, *rest: Any) -> torch.Tensor:
            self.read.append(plan.tokens)
            return states_below(decoder, plan, *rest)

        def step(decoder: FrozenBase, plan: StepPlan, *rest: Any) -> torch.Tensor:
            cached = plan.cached_hidden is not None
            self.above, self.whole = self.above + cached, self.whole + (not cached)
            return forward_backward(decoder, plan, *rest)

        patch.setattr(hidden_cache, "states_below", below)
        patch.setattr(passes, "forward_backward", step)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_row_passes_the_lower_layers_once(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    with true_fp64():
        model = tiny(family)
        stack = [policy(tmp_path / "policy", model)]
        jobs = [job(tmp_path / "above", stack), job(tmp_path / "plain", []), job(tmp_path / "all", stack)]
        jobs[2] = replace(jobs[2], recipe=replace(jobs[2].recipe, frozen_below=0.0))
        handles = run_all(BatchedTrainer(model, token_budget=400), jobs, tmp_path / "batched")
        for i, handle in enumerate(handles):
            assert handle.future.result().tokens == solo(model, jobs[i], tmp_path / f"solo{i}").tokens
            assert largest_difference(checkpoint_of(handle.work_dir), checkpoint_of(tmp_path / f"solo{i}")) < 1e-9
    # one pass for each of the two jobs that keep states, a shared beginning in it once
    assert len(watched.read) == 2
    assert max(watched.read) < sum(len(text) for example in EXAMPLES for text in example.values())
    steps = handles[0].future.result().steps
    assert (watched.above, watched.whole) == (steps, steps)


def test_a_resumed_training_fills_its_cache_again_and_keeps_every_bit(tmp_path: Path) -> None:
    model = tiny("llama-tiny", torch.float32)
    wanted = job(tmp_path, [])
    whole = run_all(BatchedTrainer(model, token_budget=40, deterministic=True), [wanted], tmp_path / "whole")[0]
    first = BatchedTrainer(model, token_budget=40, deterministic=True)
    stopped = first.submit(wanted, tmp_path / "stopped", 1)
    while stopped.progress.step < 3:
        first.step()
    stopped.cancel()
    first.step()
    engine = BatchedTrainer(model, token_budget=40, deterministic=True)
    again = engine.submit(wanted, tmp_path / "stopped", 1)
    while engine.step():
        pass
    assert again.future.result().resumed_from_step == 3
    assert same_bits(checkpoint_of(again.work_dir), checkpoint_of(whole.work_dir))


def test_filling_the_cache_without_memory_shrinks_the_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    below = hidden_cache.states_below

    def scarce(decoder: FrozenBase, plan: StepPlan, *rest: Any) -> torch.Tensor:
        if plan.tokens > 70:
            raise torch.OutOfMemoryError("no memory left")
        return below(decoder, plan, *rest)

    monkeypatch.setattr(hidden_cache, "states_below", scarce)
    engine = BatchedTrainer(tiny("llama-tiny", torch.float32), token_budget=500)
    handle = run_all(engine, [job(tmp_path, [])], tmp_path / "batched")[0]
    assert handle.future.result().steps == 6
    assert len(watched.read) > 1
    assert max(watched.read) <= 70
    assert engine.budget.tokens <= 70


def test_a_job_whose_cache_cannot_be_filled_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> torch.Tensor:
        raise RuntimeError("made to fail")

    monkeypatch.setattr(hidden_cache, "states_below", broken)
    model = tiny("llama-tiny", torch.float32)
    plain = job(tmp_path / "plain", [])
    plain = replace(plain, recipe=replace(plain.recipe, frozen_below=0.0))
    handles = run_all(BatchedTrainer(model), [job(tmp_path / "kept", []), plain], tmp_path / "batched")
    with pytest.raises(RuntimeError, match="made to fail"):
        handles[0].future.result()
    assert handles[1].future.result().steps == 6


def segments(*lengths: int) -> list[Segment]:
    return [Segment(tuple(range(3 + i, 3 + i + length)), 0, length) for i, length in enumerate(lengths)]


def test_hidden_states_are_cached_where_rows_repeat_and_fit() -> None:
    decoder = FrozenBase.share(tiny("llama-tiny", torch.float32).model)
    upper, whole = (AdapterLayout(decoder, 8, frozenset({"q_proj"}), lowest) for lowest in (1, 0))
    rows = segments(5, 5)
    assert worth_caching(upper, rows, visits=4, pass_tokens=100)
    assert not worth_caching(upper, rows, visits=3, pass_tokens=100)
    assert not worth_caching(whole, rows, visits=4, pass_tokens=100)
    assert not worth_caching(upper, segments(*[50] * 400), visits=800, pass_tokens=100)


@pytest.mark.parametrize(("tokens", "count"), [(1, 1), (9, 1), (10, 2), (100, 3)])
def test_a_pass_takes_as_many_rows_as_fit(tokens: int, count: int) -> None:
    assert len(next_rows(segments(5, 5, 30), tokens)) == count
    assert len(next_rows(segments(7, 5, 5, 30), tokens, first=1)) == count


def test_finding_the_rows_of_a_pass_looks_at_few_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []

    def counted(rows: Sequence[Segment]) -> list[Segment]:
        looked_at.append(len(rows))
        return share_prefixes(rows)

    monkeypatch.setattr(hidden_cache, "share_prefixes", counted)
    assert len(next_rows(segments(*[1] * 4000), 1000)) == 1000
    assert len(looked_at) < 12


def test_rows_with_a_shared_prefix_share_its_hidden_states() -> None:
    decoder = FrozenBase.share(tiny("llama-tiny", torch.float32).model)
    shown = tuple(range(3, 43))
    rows = [Segment((*shown, 50 + i, 60), 41, 42) for i in range(2)]
    found = with_cached_hidden(decoder, rows, (), 1)
    assert found == rows
    first, second = found[0].cached_hidden, found[1].cached_hidden
    assert first is not None
    assert second is not None
    assert [piece.shape[0] for piece in first] == [40, 2]
    assert first[0] is second[0]
    # a step that takes one of them alone has the same, in one piece after another
    whole = torch.cat(first)
    for start, stop, lengths in ((0, 42, [40, 2]), (39, 41, [1, 1]), (40, 42, [2]), (3, 9, [6])):
        pieces = slice_pieces(first, start, stop) or ()
        assert [piece.shape[0] for piece in pieces] == lengths
        assert torch.equal(torch.cat(pieces), whole[start:stop])
