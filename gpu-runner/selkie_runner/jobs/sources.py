"""Where a training draws its rows from, and the rows of each step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from ..errors import InvalidTraining
from .dataset import Row, TokenizedBy, load_rows
from .job import TrainingJob


class RowSource(Protocol):
    """The rows of a training, and which of them each step takes.

    A draw depends only on the source and the step, so the step in a checkpoint is all the state that a resume needs.
    """

    @property
    def rows(self) -> Sequence[Row]:
        """Every row that a step may draw, each with its weight."""
        ...

    @property
    def rows_per_step(self) -> float:
        """Rows of a step whose batch is full, on average."""
        ...

    @property
    def steps(self) -> int:
        """Steps until the source is used up."""
        ...

    def draw(self, step: int) -> list[int]:
        """Indices into `rows` of one step's batch."""
        ...


@dataclass(frozen=True)
class ShuffledEpochs:
    """Every row once per epoch, as in the Hugging Face `Trainer`; the last batch of an epoch may be short.

    Each epoch's order is seeded with `seed + epoch`.
    """

    rows: Sequence[Row]
    batch_size: int
    epochs: int
    seed: int

    @property
    def rows_per_step(self) -> float:
        return self.batch_size

    @property
    def steps(self) -> int:
        return self.epochs * self._steps_per_epoch

    def draw(self, step: int) -> list[int]:
        epoch, batch = divmod(step, self._steps_per_epoch)
        order = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(self.seed + epoch)).tolist()
        start = batch * self.batch_size
        return order[start : start + self.batch_size]

    @property
    def _steps_per_epoch(self) -> int:
        return math.ceil(len(self.rows) / self.batch_size)


class WithReplay:
    """A source with rows of a second dataset added to its steps; it ends when the first source ends."""

    def __init__(self, own: RowSource, replayed: Sequence[Row], ratio: float, seed: int) -> None:
        """Add `replayed` to `own`.

        Args:
            replayed: each row comes once before any comes again, in an order seeded with `seed`.
            ratio: replayed rows per row of a full step of `own`; fractions carry over to later steps.
        """
        self.rows: Sequence[Row] = (*own.rows, *replayed)
        self._own = own
        self._replayed = ShuffledEpochs(replayed, batch_size=1, epochs=1, seed=seed)
        self._replayed_per_step = ratio * own.rows_per_step

    @property
    def rows_per_step(self) -> float:
        return self._own.rows_per_step + self._replayed_per_step

    @property
    def steps(self) -> int:
        return self._own.steps

    def draw(self, step: int) -> list[int]:
        first, end = (int(self._replayed_per_step * steps) for steps in (step, step + 1))
        replayed = [row for number in range(first, end) for row in self._replayed.draw(number)]
        return self._own.draw(step) + [len(self._own.rows) + row for row in replayed]


def row_source(job: TrainingJob, model: TokenizedBy) -> RowSource:
    """Read and tokenise a job's datasets.

    Raises:
        InvalidDataset: a dataset cannot be read, or holds a broken line.
        InvalidTraining: the replay's ratio is not a positive number.
    """
    recipe = job.recipe
    rows = load_rows(job.dataset, model, recipe.max_length, recipe.append_eos)
    own = ShuffledEpochs(rows, recipe.batch_size, recipe.epochs, job.seed)
    if job.replay is None:
        return own
    if not (math.isfinite(job.replay.ratio) and job.replay.ratio > 0):
        raise InvalidTraining(f"the replay's ratio must be a positive number, not {job.replay.ratio}")
    replayed = load_rows(job.replay.dataset, model, recipe.max_length, recipe.append_eos)
    return WithReplay(own, replayed, job.replay.ratio, job.seed)
