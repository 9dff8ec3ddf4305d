"""The solo engine's promises to its caller: resume, stacks, switching in between, cancelling, typed failures."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from selkie_runner.errors import Diverged, InvalidDataset, InvalidTraining, OutOfMemory
from selkie_runner.hardware import memory_errors
from selkie_runner.jobs.dataset import load_rows
from selkie_runner.lora.peft_folder import read_adapter
from selkie_runner.reference.trainer import train_solo
from selkie_runner.store.work_folder import CHECKPOINT
from support.engine import FAMILIES, assert_same_bits, base_weights, dataset, finish, job, logits, tiny


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_loss_falls_and_every_step_is_reported(tmp_path: Path) -> None:
    model = tiny("llama-tiny")
    result, seen = finish(train_solo(model, job(tmp_path, epochs=10), tmp_path / "work", 4))

    assert [p.phase for p in seen] == ["preparing", *["training"] * 30, "exporting"]
    assert [p.step for p in seen[1:-1]] == list(range(1, 31))
    assert {p.total_steps for p in seen} == {30}
    assert [p.checkpoint for p in seen[1:10]] == [0, 0, 0, 4, 4, 4, 4, 8, 8]
    assert seen[-1].checkpoint == 28
    first, last = seen[1].loss, result.final_loss
    assert first is not None
    assert last is not None
    assert last < 0.8 * first
    assert (result.steps, result.resumed_from_step, result.rank) == (30, 0, 4)
    # every row once an epoch, its end token counted
    lengths = [len(row) for row in _row_ids(tmp_path)]
    assert result.tokens == 10 * sum(lengths)
    assert result.served_dir == result.layer_dir


def _row_ids(tmp_path: Path) -> list[tuple[int, ...]]:
    return [row.ids for row in load_rows(tmp_path / "dataset", tiny("llama-tiny"), 64, True)]


def test_update_norm_is_that_of_the_whole_update(tmp_path: Path) -> None:
    result, _ = finish(train_solo(tiny("qwen2-tiny"), job(tmp_path), tmp_path / "work", 0))
    layer = read_adapter(result.layer_dir)
    squares = [float((layer.scale * layer.b[m] @ a).pow(2).sum()) for m, a in layer.a.items()]
    assert result.update_norm == pytest.approx(math.sqrt(sum(squares)), rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("killed_after", [1, 3, 4, 8, 9])
def test_resumed_training_ends_in_the_same_bits(family: str, killed_after: int, tmp_path: Path) -> None:
    training = job(tmp_path, weight_decay=0.01)
    undisturbed, _ = finish(train_solo(tiny(family), training, tmp_path / "undisturbed", 0))

    killed = train_solo(tiny(family), training, tmp_path / "killed", 3)
    for _ in range(1 + killed_after):
        next(killed)
    del killed
    torch.manual_seed(killed_after)
    resumed, seen = finish(train_solo(tiny(family), training, tmp_path / "killed", 3))

    assert resumed.resumed_from_step == killed_after // 3 * 3
    assert seen[0].step == resumed.resumed_from_step
    assert _bytes(resumed.layer_dir) == _bytes(undisturbed.layer_dir)
    assert (resumed.tokens, resumed.final_loss) == (undisturbed.tokens, undisturbed.final_loss)
    assert resumed.update_norm == undisturbed.update_norm


def test_broken_checkpoint_starts_over_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    training = job(tmp_path)
    whole, _ = finish(train_solo(tiny("llama-tiny"), training, tmp_path / "work", 3))
    expected = _bytes(whole.layer_dir)
    file = tmp_path / "work" / CHECKPOINT
    file.write_bytes(file.read_bytes()[:1000])

    again, _ = finish(train_solo(tiny("llama-tiny"), training, tmp_path / "work", 3))
    assert again.resumed_from_step == 0
    assert _bytes(again.layer_dir) == expected
    assert "cannot be read" in caplog.text


def test_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    training = job(tmp_path)
    finish(train_solo(tiny("llama-tiny"), training, tmp_path / "work", 3))
    other = dataclasses.replace(training, training_key="1" * 64)
    with pytest.raises(ValueError, match="checkpoint of training 000"):
        finish(train_solo(tiny("llama-tiny"), other, tmp_path / "work", 3))


@pytest.mark.parametrize("family", FAMILIES)
def test_layer_above_a_stack_leaves_all_below_unchanged(family: str, tmp_path: Path) -> None:
    model = tiny(family)
    below = base_weights(model)
    lower, _ = finish(train_solo(model, job(tmp_path, seed=1, targets="qv", rank=8), tmp_path / "lower", 0))
    lower_bytes = _bytes(lower.layer_dir)

    training = job(tmp_path, seed=2, stack=[lower.layer_dir])
    steps = train_solo(model, training, tmp_path / "upper", 0)
    next(steps)
    next(steps)
    frozen, trained = model.adapters.names
    trainable = {name for name, parameter in model.model.named_parameters() if parameter.requires_grad}
    assert len(trainable) == len(model.adapters.parameters(trained))
    assert not any(parameter.requires_grad for parameter in model.adapters.parameters(frozen).values())
    assert all(p.grad is None for p in model.adapters.parameters(frozen).values())
    upper, _ = finish(steps)

    assert_same_bits(base_weights(model), below)
    assert _bytes(lower.layer_dir) == lower_bytes
    # the lower layer was part of what was trained: without it the same seed ends elsewhere
    alone, _ = finish(train_solo(model, job(tmp_path, seed=2), tmp_path / "alone", 0))
    assert _bytes(alone.layer_dir) != _bytes(upper.layer_dir)
    assert upper.served_dir != upper.layer_dir
    assert upper.rank == 16


def test_others_may_use_the_model_between_steps(tmp_path: Path) -> None:
    training = job(tmp_path)
    undisturbed, _ = finish(train_solo(tiny("qwen2-tiny"), training, tmp_path / "undisturbed", 0))

    model = tiny("qwen2-tiny")
    plain = logits(model)
    model.adapters.load("served", undisturbed.layer_dir)
    disturbed = train_solo(model, training, tmp_path / "disturbed", 0)
    second = train_solo(model, dataclasses.replace(training, seed=99), tmp_path / "second", 0)
    torch.manual_seed(3)
    while True:
        try:
            next(disturbed)
        except StopIteration as stop:
            result = stop.value
            break
        next(second, None)
        model.adapters.activate("served")
        assert not torch.equal(logits(model), plain)
        model.adapters.activate(None)
        assert torch.equal(logits(model), plain)
        assert not any(parameter.requires_grad for parameter in model.model.parameters())
    assert _bytes(result.layer_dir) == _bytes(undisturbed.layer_dir)


def test_global_random_state_has_no_part(tmp_path: Path) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, _ = finish(train_solo(tiny("llama-tiny"), job(tmp_path), tmp_path / "first", 0))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    second, _ = finish(train_solo(tiny("llama-tiny"), job(tmp_path), tmp_path / "second", 0))
    assert _bytes(first.layer_dir) == _bytes(second.layer_dir)


def test_cancelling_frees_everything(tmp_path: Path) -> None:
    model = tiny("llama-tiny")
    before, plain = base_weights(model), logits(model)
    training = train_solo(model, job(tmp_path), tmp_path / "work", 1)
    for _ in range(4):
        next(training)
    assert len(model.adapters.names) == 1
    training.close()

    assert model.adapters.names == []
    assert not [name for name, _ in model.model.named_parameters() if ".lora_" in name]
    assert not any(p.requires_grad or p.grad is not None for p in model.model.parameters())
    assert_same_bits(base_weights(model), before)
    assert torch.equal(logits(model), plain)
    assert not (tmp_path / "work" / "layer").exists()


def test_non_finite_training_is_diverged_and_frees_the_adapter(tmp_path: Path) -> None:
    model = tiny("llama-tiny")
    before = base_weights(model)
    with pytest.raises(Diverged, match="step 2: loss"):
        finish(train_solo(model, job(tmp_path, learning_rate=1e30, max_grad_norm=0.0), tmp_path / "work", 0))
    assert model.adapters.names == []
    assert_same_bits(base_weights(model), before)
    # the model is as good as new
    finish(train_solo(model, job(tmp_path), tmp_path / "next", 0))


def test_step_without_any_target_changes_nothing(tmp_path: Path) -> None:
    training = job(tmp_path, append_eos=False, batch_size=1, epochs=2)
    training = dataclasses.replace(training, dataset=dataset(tmp_path / "one", [{"text": "a"}]))
    result, _ = finish(train_solo(tiny("llama-tiny"), training, tmp_path / "work", 0))
    assert (result.final_loss, result.update_norm) == (0.0, 0.0)


def test_what_the_model_cannot_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTraining, match="maxLength 4096 is above 1024"):
        finish(train_solo(tiny("llama-tiny"), job(tmp_path, max_length=4096), tmp_path / "work", 0))
    missing = dataclasses.replace(job(tmp_path), dataset=tmp_path / "nowhere")
    with pytest.raises(InvalidDataset, match="cannot read"):
        finish(train_solo(tiny("llama-tiny"), missing, tmp_path / "work", 0))


def test_failed_allocation_is_out_of_memory() -> None:
    with pytest.raises(OutOfMemory, match="while trying"), memory_errors("trying"):
        torch.empty(1 << 60, dtype=torch.uint8)
