"""Where a training draws its rows from, and the rows of each step."""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

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


class ShuffledEpochs:
    """Every row once per epoch, as in the Hugging Face `Trainer`; the last batch of an epoch may be short.

    Each epoch's order is seeded with `seed + epoch`.
    """

    def __init__(self, rows: Sequence[Row], batch_size: int, epochs: int, seed: int) -> None:
        self.rows = rows
        self._batch_size = batch_size
        self._epochs = epochs
        self._seed = seed
        self._steps_per_epoch = math.ceil(len(rows) / batch_size)
        #: the epoch of the last draw, and its order [rows]
        self._shuffled: tuple[int, Tensor] | None = None

    @property
    def rows_per_step(self) -> float:
        return self._batch_size

    @property
    def steps(self) -> int:
        return self._epochs * self._steps_per_epoch

    def draw(self, step: int) -> list[int]:
        epoch, batch = divmod(step, self._steps_per_epoch)
        start = batch * self._batch_size
        return self._order(epoch)[start : start + self._batch_size].tolist()

    def _order(self, epoch: int) -> Tensor:
        if self._shuffled is None or self._shuffled[0] != epoch:
            generator = torch.Generator().manual_seed(self._seed + epoch)
            self._shuffled = epoch, torch.randperm(len(self.rows), generator=generator)
        return self._shuffled[1]


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
