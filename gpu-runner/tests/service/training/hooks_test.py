"""Hooks between the steps of a training: every engine calls them, and does what they decide."""

import asyncio
from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest

from selkie_runner.errors import DeviceBudgetExceeded
from selkie_runner.jobs.hooks import Decision, StepHook, decide
from selkie_runner.jobs.job import WAITING, TrainingJob, TrainingProgress, TrainingResult
from selkie_runner.models.loading import load_model
from selkie_runner.ports import Trainer
from selkie_runner.service.device.cpu_share import CpuSharing
from selkie_runner.service.options import EngineOptions
from selkie_runner.service.stopping import RunnerStopping
from selkie_runner.service.torch_backend import build_trainer
from selkie_runner.service.training.process_pool import process_pool
from selkie_runner.simulated import SimulatedTrainer
from selkie_runner.store.work_folder import CHECKPOINT
from support.batched import recipe, texts
from support.service import TINY, cache_dir, running

LINES = ["The seal eats fish.", "A lamp.", "The harbour closes at low tide.", "Wind and ice."]
#: what only a hook ends
EPOCHS = 100_000


@pytest.fixture(params=["batched", "solo", "process pool", "simulated"])
def trainer(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Trainer]:
    if request.param == "simulated":
        yield SimulatedTrainer("a model", lambda _: None)
        return
    with running(tmp_path) as runner:
        if request.param == "process pool":
            load = partial(load_model, TINY, cache_dir(), "cpu")
            with process_pool(runner, CpuSharing(2), EngineOptions("batched", checkpoint_every_steps=2), load) as pool:
                yield pool
        else:
            yield build_trainer(runner, EngineOptions(request.param, checkpoint_every_steps=2))


def train(trainer: Trainer, folder: Path, *hooks: StepHook, epochs: int = EPOCHS) -> TrainingResult:
    chosen = recipe(epochs=epochs, learning_rate=1e-3, schedule="constant")
    job = TrainingJob("key", [], texts(folder / "data", LINES), chosen, seed=3)
    (folder / "work").mkdir(exist_ok=True)
    return asyncio.run(trainer.train(job, folder / "work", "demo", hooks))


class Watching:
    """Notes every call, and decides otherwise from a step on."""

    def __init__(self, decision: Decision = Decision.GO_ON, from_step: int = 0) -> None:
        self.seen: list[TrainingProgress] = []
        self.seconds = 0.0
        self._decision = decision
        self._from_step = from_step

    def between_steps(self, progress: TrainingProgress, seconds: float) -> Decision:
        self.seen.append(progress)
        self.seconds += seconds
        return self._decision if progress.step >= self._from_step else Decision.GO_ON


class EarlyStopping:
    """Ends a training where the loss of a step is no longer below the mean of the earlier ones, which moves."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._baseline: float | None = None
        self._step = self._since_better = 0

    def between_steps(self, progress: TrainingProgress, seconds: float) -> Decision:
        if progress.loss is None or progress.step == self._step:
            return Decision.GO_ON
        self._step = progress.step
        better = self._baseline is None or progress.loss < 0.999 * self._baseline
        self._since_better = 0 if better else self._since_better + 1
        self._baseline = progress.loss if self._baseline is None else 0.9 * self._baseline + 0.1 * progress.loss
        return Decision.FINISH if self._since_better >= self._patience else Decision.GO_ON


class Refusing:
    """Fails a training after its first step."""

    def between_steps(self, progress: TrainingProgress, seconds: float) -> Decision:
        if progress.step:
            raise DeviceBudgetExceeded("no more")
        return Decision.GO_ON


def test_a_hook_sees_every_step_and_all_device_seconds(trainer: Trainer, tmp_path: Path) -> None:
    hook = Watching()
    result = train(trainer, tmp_path, hook, epochs=2)
    steps = [progress.step for progress in hook.seen]
    assert sorted(set(steps)) == list(range(9))
    assert steps == sorted(steps)
    assert hook.seen[-1].loss == result.final_loss
    assert hook.seconds > 0


def test_a_training_that_a_hook_finishes_exports_what_it_has(trainer: Trainer, tmp_path: Path) -> None:
    hook = Watching(Decision.FINISH, from_step=3)
    result = train(trainer, tmp_path, hook)
    # the simulated engine calls hooks an eighth of its steps apart
    assert result.steps == next(progress.step for progress in hook.seen if progress.step >= 3)
    assert (result.layer_dir / "adapter_model.safetensors").exists()
    assert result.update_norm > 0


def test_early_stopping_is_a_hook(trainer: Trainer, tmp_path: Path) -> None:
    watching = Watching()
    result = train(trainer, tmp_path, watching, EarlyStopping(patience=2))
    assert 2 < result.steps < len(LINES) * EPOCHS
    assert result.steps == watching.seen[-1].step


def test_a_hook_fails_a_training_with_its_own_error(trainer: Trainer, tmp_path: Path) -> None:
    watching = Watching()
    with pytest.raises(DeviceBudgetExceeded, match="no more"):
        train(trainer, tmp_path, Refusing(), watching)
    assert watching.seen[-1].step >= 1


@pytest.mark.parametrize("trainer", ["batched", "solo", "process pool"], indirect=True)
def test_an_interrupted_training_goes_on_from_its_last_step(trainer: Trainer, tmp_path: Path) -> None:
    with pytest.raises(RunnerStopping, match="is kept"):
        train(trainer, tmp_path, Watching(Decision.INTERRUPT, from_step=3))
    assert (tmp_path / "work" / CHECKPOINT).exists()
    result = train(trainer, tmp_path, Watching(Decision.FINISH, from_step=6))
    assert result.resumed_from_step in (3, 4)
    assert result.steps == 6


def test_the_strongest_decision_counts_and_an_error_more_than_any() -> None:
    go_on, finish, interrupt = (Watching(decision) for decision in Decision)
    assert decide([], WAITING, 0.0) is Decision.GO_ON
    assert decide([interrupt, go_on, finish], WAITING, 0.0) is Decision.INTERRUPT
    with pytest.raises(DeviceBudgetExceeded):
        decide([Refusing(), interrupt], TrainingProgress("training", 1, 2, 1.0, 0), 0.0)
    assert len(interrupt.seen) == 2
