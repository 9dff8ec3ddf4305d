"""The `Trainer` port without training: draws a loss curve, device-seconds and an adapter."""

import asyncio
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, cast

from ..errors import InvalidDataset
from ..jobs.hooks import Decision, StepHook, decide
from ..jobs.job import Recipe, TrainingJob, TrainingProgress, TrainingResult
from ..ports import EngineName
from .adapter import Layer, SimulatedAdapter, read_adapter, write_adapter
from .draws import digest, normal
from .knowledge import Training
from .text import Fact, facts_of, read_prompt

#: of one optimizer step, about those of a small model on two cores
_STEP_SECONDS: Final = 0.02
_TOKEN_SECONDS: Final = 2e-4
#: of one training, at most
_HOOK_CALLS: Final = 8
#: of the loss, in nats: before training, after it, and steps in which the difference falls to a third
_FIRST_LOSS: Final = 3.2
_LAST_LOSS: Final = 0.6
_LOSS_STEPS: Final = 20.0
_FILE: Final = "data.jsonl"


class SimulatedTrainer:
    """Draws trainings. Each takes as long as its files take to write; the device-seconds are drawn too."""

    engine: EngineName = "simulated"

    def __init__(self, model_digest: str, on_steps: Callable[[int], object]) -> None:
        """Train for a model; `on_steps` is called with the number of steps of each training."""
        self._model_digest = model_digest
        self._on_steps = on_steps

    async def train(self, job: TrainingJob, folder: Path, tenant: str, hooks: Sequence[StepHook]) -> TrainingResult:
        drawn = asyncio.ensure_future(asyncio.to_thread(self._train, job, folder, hooks))
        try:
            return await asyncio.shield(drawn)
        except asyncio.CancelledError:
            # the folder belongs to the thread until it has ended
            await asyncio.wait({drawn})
            raise

    def _train(self, job: TrainingJob, folder: Path, hooks: Sequence[StepHook]) -> TrainingResult:
        content = _read(job.dataset)
        texts = _texts(content)
        training = self._identity(job, content)
        steps = _take_steps(training.run, texts, job.recipe, hooks)
        tokens = _tokens(steps, texts, job.recipe)
        loss = loss_after(steps, training.run)
        self._on_steps(steps)
        layer = Layer(training, tuple(fact for text in texts for fact in _facts(text)))
        recipe = job.recipe
        layer_dir = served_dir = folder / "layer"
        write_adapter(SimulatedAdapter(self._model_digest, (layer,)), recipe.rank, recipe.alpha, layer_dir)
        below = [read for path in reversed(job.stack) for read in read_adapter(path).layers]
        if below:
            served_dir = folder / "served"
            served = SimulatedAdapter(self._model_digest, (layer, *below))
            write_adapter(served, recipe.rank, recipe.alpha, served_dir)
        return TrainingResult(
            steps=steps,
            tokens=tokens,
            final_loss=loss,
            update_norm=recipe.learning_rate * math.sqrt(steps * recipe.rank) * math.exp(0.1 * normal(training.run)),
            resumed_from_step=0,
            layer_dir=layer_dir,
            served_dir=served_dir,
            rank=recipe.rank,
        )

    def _identity(self, job: TrainingJob, content: bytes) -> Training:
        edit = hashlib.sha256(content).hexdigest()
        stack = [layer.training.run for path in job.stack for layer in read_adapter(path).layers]
        recipe = json.dumps(asdict(job.recipe), sort_keys=True)
        return Training(edit, digest(self._model_digest, edit, recipe, job.seed, *stack))


def _take_steps(run: str, texts: Sequence[str], recipe: Recipe, hooks: Sequence[StepHook]) -> int:
    """The steps until a hook ends the training. An interruption does not: no checkpoint could be resumed."""
    total = total_steps(len(texts), recipe)
    slowness = math.exp(0.1 * normal(run, "seconds"))
    decision = decide(hooks, TrainingProgress("preparing", 0, total, None, 0), 0.0)
    told = 0
    for step in range(1, total + 1):
        if decision is Decision.FINISH:
            return step - 1
        # hooks write files; a drawn training tells them of some steps only
        if step * _HOOK_CALLS // total > told * _HOOK_CALLS // total:
            seconds = (step - told) * _STEP_SECONDS + (
                _tokens(step, texts, recipe) - _tokens(told, texts, recipe)
            ) * _TOKEN_SECONDS
            progress = TrainingProgress("training", step, total, loss_after(step, run), 0)
            decision = decide(hooks, progress, seconds * slowness)
            told = step
    return total


def _tokens(steps: int, texts: Sequence[str], recipe: Recipe) -> int:
    """Tokens of the first `steps` steps."""
    visits = min(steps * recipe.batch_size, len(texts) * recipe.epochs)
    return visits * sum(min(len(text) // 4 + 1, recipe.max_length) for text in texts) // len(texts)


def total_steps(rows: int, recipe: Recipe) -> int:
    """Optimizer steps of a training: the last batch of an epoch may be short, `max_steps` caps the whole."""
    steps = recipe.epochs * math.ceil(rows / recipe.batch_size)
    return min(steps, recipe.max_steps) if recipe.max_steps > 0 else steps


def loss_after(steps: int, run: str) -> float:
    """The loss of a step, in nats: it falls exponentially, with the noise of a batch."""
    expected = _LAST_LOSS + (_FIRST_LOSS - _LAST_LOSS) * math.exp(-steps / _LOSS_STEPS)
    return expected * math.exp(0.05 * normal(run, "loss", steps))


def _read(dataset: Path) -> bytes:
    file = dataset / _FILE if dataset.is_dir() else dataset
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidDataset(f"cannot read {file}: {error}") from error


def _texts(content: bytes) -> list[str]:
    """Each example as one text: what is read, then what is learnt."""
    texts: list[str] = []
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            try:
                texts.append(_text(json.loads(line)))
            except (ValueError, TypeError, KeyError) as error:
                raise InvalidDataset(f"{_FILE} line {number}: {error}") from error
    if not texts:
        raise InvalidDataset(f"{_FILE} has no examples")
    return texts


def _text(example: object) -> str:
    match example:
        case {"text": str(text)} if text:
            return text
        case {"prompt": str(prompt), "completion": str(completion)} if completion:
            return prompt + completion
        case {"messages": [*messages]} if len(messages) > 1:
            return "\n".join(str(message["content"]) for message in cast(list[dict[str, Any]], messages))
        case _:
            raise ValueError('must be {"text"}, {"prompt", "completion"} or {"messages"} with two messages or more')


def _facts(text: str) -> list[Fact]:
    """A question with its answer, or the sentences of a text."""
    head, mark, answer = text.rpartition("\nA:")
    question = read_prompt(head + mark).question if mark else None
    return facts_of(text) if question is None else [Fact(question, answer.strip())]
