"""A trainer in its own process: what it trains, what it reports, and how it and its parent end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch

from selkie_runner.batched import BatchedTrainer, FrozenBase
from selkie_runner.errors import InvalidDataset
from selkie_runner.jobs.job import TrainingJob
from selkie_runner.lora.peft_folder import read_adapter
from selkie_runner.models.loading import load_model
from selkie_runner.service.training.process import TrainerLost, TrainerProcess, TrainerSetup
from selkie_runner.store.work_folder import CHECKPOINT
from support.batched import recipe, texts
from support.service import TINY, cache_dir, tiny_model

LINES = ["The seal eats fish.", "A lamp.", "The harbour closes at low tide."]
#: what only an end from outside ends
ENDLESS = 100_000


@pytest.fixture(scope="module")
def trainer() -> Generator[TrainerProcess]:
    with started() as trainer:
        yield trainer


@contextmanager
def started(threads: int = 2) -> Generator[TrainerProcess]:
    tiny_model()  # so that the process finds the folder made
    setup = TrainerSetup(partial(load_model, TINY, cache_dir(), "cpu"), "warning", slots=4, token_budget=60)
    trainer = TrainerProcess(setup, threads, lambda: 1)
    try:
        yield trainer
    finally:
        trainer.close()


def job(folder: Path, key: str, epochs: int = 3) -> TrainingJob:
    return TrainingJob(key, [], texts(folder / f"data-{key}", LINES), recipe(epochs=epochs), seed=5)


def stepped(trainer: TrainerProcess | BatchedTrainer, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        trainer.step()


def test_it_trains_to_the_bits_of_a_trainer_here_and_says_how_far_it_is(trainer: TrainerProcess, tmp_path: Path):
    elsewhere = [trainer.submit(job(tmp_path, key), tmp_path / f"elsewhere-{key}", 0) for key in "ab"]
    seen: list[int] = []
    while not all(handle.future.done() for handle in elsewhere):
        trainer.step()
        seen.append(elsewhere[0].progress.step)
    assert trainer.step() is None
    assert seen[: elsewhere[0].progress.total_steps] == list(range(1, elsewhere[0].progress.total_steps + 1))

    model = tiny_model()
    base = FrozenBase.share(model.model)
    local = BatchedTrainer(model, slots=4, token_budget=60, base=base)
    here = [local.submit(job(tmp_path, key), tmp_path / f"here-{key}", 0) for key in "ab"]
    stepped(local, lambda: all(handle.future.done() for handle in here))

    for one, other in zip(elsewhere, here, strict=True):
        assert one.future.result().steps == other.future.result().steps == 9
        assert one.device_seconds > 0
        layers = [read_adapter(handle.future.result().layer_dir) for handle in (one, other)]
        for module, b in layers[0].b.items():
            assert torch.equal(b, layers[1].b[module])


def test_a_cancelled_training_keeps_its_last_step_and_ends_alone(trainer: TrainerProcess, tmp_path: Path):
    kept = trainer.submit(job(tmp_path, "a", ENDLESS), tmp_path / "a", 1000)
    other = trainer.submit(job(tmp_path, "b"), tmp_path / "b", 0)
    stepped(trainer, lambda: kept.progress.step >= 3)
    kept.cancel(keep=True)
    stepped(trainer, lambda: kept.future.done() and other.future.done())
    assert isinstance(kept.future.exception(), CancelledError)
    assert kept.progress.checkpoint == kept.progress.step
    assert (tmp_path / "a" / CHECKPOINT).exists()
    assert other.future.result().steps == 9


def test_an_error_arrives_as_it_was_raised(trainer: TrainerProcess, tmp_path: Path):
    empty = TrainingJob("a", [], texts(tmp_path / "data", []), recipe(), seed=5)
    handle = trainer.submit(empty, tmp_path / "a", 0)
    stepped(trainer, handle.future.done)
    assert isinstance(handle.future.exception(), InvalidDataset)
    assert "has no examples" in str(handle.future.exception())


def test_a_killed_process_fails_its_trainings_and_the_next_go_on_from_their_checkpoints(tmp_path: Path):
    with started() as trainer:
        lost, cancelled = (trainer.submit(job(tmp_path, key, ENDLESS), tmp_path / key, 5) for key in "ab")
        stepped(trainer, lambda: lost.progress.checkpoint >= 5)
        cancelled.cancel()
        os.kill(trainer.pid, signal.SIGKILL)
        stepped(trainer, lost.future.done)
        assert isinstance(lost.future.exception(), TrainerLost)
        assert "exit code -9" in str(lost.future.exception())
        assert isinstance(cancelled.future.exception(), CancelledError)

        again = trainer.submit(job(tmp_path, "a", ENDLESS), tmp_path / "a", 5)
        stepped(trainer, lambda: again.progress.total_steps > 0)
        assert again.progress.step >= 5


def test_it_ends_with_its_parent_however_that_ends_and_whatever_it_is_doing():
    script = """
import time
from functools import partial
from selkie_runner.service.training.process import TrainerProcess, TrainerSetup
trainer = TrainerProcess(TrainerSetup(partial(time.sleep, 600), "warning", slots=1, token_budget=None), 1, lambda: 1)
print(trainer.pid, flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        os.kill(int(parent.stdout.readline()), 0)
        parent.kill()
        # what it has of the parent's output closes with its end
        parent.communicate(timeout=30)


def test_a_second_of_a_thread_is_that_part_of_the_devices(tmp_path: Path):
    with started(threads=10**9) as trainer:
        handle = trainer.submit(job(tmp_path, "a"), tmp_path / "a", 0)
        stepped(trainer, handle.future.done)
    assert 0 < handle.device_seconds < 1e-6


def test_signals_to_everyone_do_not_end_it_and_closing_does(tmp_path: Path):
    with started() as trainer:
        handle = trainer.submit(job(tmp_path, "a", ENDLESS), tmp_path / "a", 0)
        stepped(trainer, lambda: handle.progress.step >= 1)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(trainer.pid, number)
        reached = handle.progress.step
        stepped(trainer, lambda: handle.progress.step > reached)
        process = trainer.pid
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
