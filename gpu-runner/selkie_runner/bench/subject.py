"""The batched engine on given jobs, timed from outside: scheduling, planning, passes and optimizers included."""

import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from ..batched import BatchedTrainer, FrozenBase, TrainingHandle
from ..jobs.job import TrainingJob
from ..models.loading import LoadedModel
from .hf_trainer import Timed
from .result import finish


class BatchedSide:
    """An engine with one slot per job; each step holds all jobs."""

    def __init__(
        self,
        model: LoadedModel,
        jobs: Sequence[TrainingJob],
        dtype: torch.dtype | None = None,
        step_tokens: int = 2**14,
    ) -> None:
        self._model = model
        self._jobs = jobs
        base = FrozenBase.share(model.model, dtype)
        self.engine = BatchedTrainer(model, slots=len(jobs), token_budget=step_tokens, base=base)

    def measure(self, *, warm_up: int, steps: int) -> Timed:
        """Take `warm_up` untimed steps of all jobs, then `steps` timed ones; every call starts new trainings."""
        with self.submitted() as _:
            for _ in range(warm_up):
                self.engine.step()
            finish(self._model.device)
            tokens = 0
            began = time.perf_counter()
            for _ in range(steps):
                report = self.engine.step()
                if report is None or report.jobs != len(self._jobs):
                    raise RuntimeError(f"a step held {report}, not all {len(self._jobs)} jobs: is memory short?")
                tokens += report.tokens
            finish(self._model.device)
            return Timed(steps, time.perf_counter() - began, tokens)

    @contextmanager
    def submitted(self) -> Generator[list[TrainingHandle]]:
        """All jobs in the engine, and out of it at the end."""
        with tempfile.TemporaryDirectory() as folder:
            handles = [self.engine.submit(job, Path(folder) / str(i), 0) for i, job in enumerate(self._jobs)]
            try:
                yield handles
            finally:
                for handle in handles:
                    handle.cancel()
                self.engine.step()
