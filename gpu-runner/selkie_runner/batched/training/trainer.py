"""The batched engine: jobs join at any time, each `step` advances as many as fit, each ends by itself."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from ...errors import OutOfMemory
from ...hardware import available_bytes, memory_errors
from ...jobs.job import TrainingJob, TrainingResult
from ...models.loading import LoadedModel
from ..base import FrozenBase
from ..kernels.parallel import side_by_side, streams_of
from ..lora.frozen import FrozenAdapters
from ..lora.layout import AdapterLayout
from .handle import TrainingHandle
from .memory import bytes_of_hidden_cache, bytes_per_job, bytes_per_step, bytes_per_token
from .passes import compute
from .scheduler import Waiting, choose
from .slot import Slot
from .teaching import Teaching
from .token_budget import TokenBudget

_log = logging.getLogger(__name__)

#: where the search for a token budget begins
_FIRST_BUDGET = {"cpu": 256, "cuda": 1024}
#: seconds that a step of the found budget may take: an answer waits for the step to end
_MAX_STEP_SECONDS = 1.25
#: tokens of a single job's step that are computed in one pass
_MAX_PASS_TOKENS = {"cpu": 1024, "cuda": 8192}

#: a job joins others only if a step of this many tokens still fits; alone it is refused only for a longer row
_RESERVED_TOKENS = 512


@dataclass(frozen=True)
class StepReport:
    """What one call of `step` did: jobs and tokens in its passes, seconds they took."""

    jobs: int
    tokens: int
    seconds: float


class BatchedTrainer:
    """Trains many LoRA layers at once on one frozen base.

    `submit`, and a handle's `cancel`, may be called from any thread; `step` only from the one that owns the device. The
    base is only read, so between two steps it decodes as if this were not here.
    """

    def __init__(
        self,
        model: LoadedModel,
        slots: int = 16,
        token_budget: int | None = None,
        *,
        base: FrozenBase | None = None,
        deterministic: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Share the base's weights.

        Args:
            slots: jobs whose state is on the device at once.
            token_budget: tokens of a step; None finds it by timing.
            base: the base that the passes compute with; its dtype is theirs. By default it shares the model's weights.
            deterministic: compute each job in its own passes, so that its result has the same bits with any neighbours.
            clock: the seconds that steps are timed in, and jobs are charged with.

        Raises:
            InvalidTraining: the model's architecture is not one that this engine computes.
        """
        self._model = model
        self._base = base or FrozenBase.share(model.model)
        self._slots = slots
        self._deterministic = deterministic
        self._clock = clock
        fixed = token_budget is not None or deterministic
        self.budget = TokenBudget(
            token_budget or _FIRST_BUDGET.get(model.device.type, 256),
            fixed=fixed,
            max_seconds=_MAX_STEP_SECONDS,
            pass_tokens=0 if fixed else _MAX_PASS_TOKENS.get(model.device.type, 0),
        )
        self._pass_tokens = self.budget.pass_tokens
        self._frozen = FrozenAdapters(self._base)
        self._teaching = Teaching(self._base)
        self._lock = threading.Lock()
        self._waiting: Waiting[TrainingHandle] = Waiting()
        self._active: list[Slot] = []
        self._steps = 0

    @property
    def idle(self) -> bool:
        """Whether no job waits or holds a slot."""
        with self._lock:
            return not self._active and not len(self._waiting)

    @property
    def _streams(self) -> int:
        """Passes that are computed side by side."""
        return 1 if self._deterministic else streams_of(self._base.device)

    def submit(self, job: TrainingJob, work_dir: Path, checkpoint_every_steps: int, tenant: str = "") -> TrainingHandle:
        """Queue a job. It resumes from the checkpoint in `work_dir` if there is one, of either engine.

        Args:
            work_dir: belongs to this training; holds its checkpoint and, at the end, the exported folders.
            checkpoint_every_steps: 0 for no checkpoints.
            tenant: slots are shared fairly among tenants.
        """
        handle = TrainingHandle(job, tenant, work_dir, checkpoint_every_steps)
        with self._lock:
            self._waiting.add(tenant, handle)
        return handle

    @torch.no_grad()
    def step(self) -> StepReport | None:
        """Advance as many jobs as the token budget holds by one optimizer step; None when there is nothing to do.

        Never raises for a single job: its error goes to its handle, and the others continue.
        """
        self._drop_cancelled()
        for slot in list(self._active):
            self._end_if_finished(slot)
        self._admit()
        while self._active:
            if preparing := [slot for slot in self._active if slot.training.preparing]:
                if report := self._prepare(preparing[: self._streams]):
                    return report
                continue
            chosen = choose(self._active, min(self.budget.tokens, self._fitting_tokens()))
            began = self._clock()
            try:
                measured = self._compute(chosen)
            except Exception as error:
                if isinstance(error, OutOfMemory) and self._shrink():
                    continue
                chosen, measured = self._compute_apart(chosen, error)
            if chosen:
                return self._conclude(chosen, measured, began)
        return None

    def _compute(self, chosen: Sequence[Slot]) -> list[tuple[float, float]]:
        with memory_errors("a training step"):
            return compute(self._base, chosen, pass_tokens=self._tokens_of_a_pass(), apart=self._deterministic)

    def _tokens_of_a_pass(self) -> int:
        # how work is split decides its rounding, so in deterministic mode memory does not decide that
        fitting = min(self.budget.pass_tokens, self._fitting_tokens())
        return self._pass_tokens if self._deterministic else fitting

    def _prepare(self, slots: Sequence[Slot]) -> StepReport | None:
        """Prepare the jobs' rows further, side by side; None if all failed, which ended them or made room."""
        began = self._clock()
        outcomes = side_by_side([partial(self._prepare_one, slot) for slot in slots])
        seconds = self._clock() - began
        prepared, tokens = False, 0
        for slot, outcome in zip(slots, outcomes, strict=True):
            slot.handle.device_seconds += seconds / len(slots)
            if isinstance(outcome, OutOfMemory):
                self._make_room(slot, outcome)
            elif isinstance(outcome, Exception):
                self._end(slot, outcome)
            else:
                prepared = True
                tokens += outcome
        return StepReport(0, tokens, seconds) if prepared else None

    def _prepare_one(self, slot: Slot) -> int | Exception:
        """The tokens computed for one job's rows, or its error."""
        try:
            with memory_errors("preparing the rows of a training"):
                return slot.prepare(self._base, self._teaching, self._tokens_of_a_pass())
        except Exception as error:
            return error

    def _conclude(self, chosen: Sequence[Slot], measured: Sequence[tuple[float, float]], began: float) -> StepReport:
        tokens = [slot.next_tokens for slot in chosen]
        self._steps += 1
        for slot, (loss, norm) in zip(chosen, measured, strict=True):
            try:
                slot.advance(loss, norm, self._steps)
            except Exception as error:
                self._end(slot, error)
            else:
                self._end_if_finished(slot)
        seconds = self._clock() - began
        for slot, share in zip(chosen, tokens, strict=True):
            slot.handle.device_seconds += seconds * share / sum(tokens)
        self.budget.timed(sum(tokens), seconds)
        return StepReport(len(chosen), sum(tokens), seconds)

    def _end_if_finished(self, slot: Slot) -> None:
        if not (slot.training.finished or slot.handle.finishing):
            return
        try:
            result = slot.finish()
        except Exception as error:
            self._end(slot, error)
        else:
            self._end(slot, result)

    def _end(self, slot: Slot, outcome: TrainingResult | Exception) -> None:
        """Free the slot, then resolve the handle's future."""
        self._active.remove(slot)
        slot.release()
        if isinstance(outcome, Exception):
            slot.handle.future.set_exception(outcome)
        else:
            slot.handle.future.set_result(outcome)

    def _drop_cancelled(self) -> None:
        with self._lock:
            waiting = self._waiting.drop(lambda handle: handle.cancelling)
        for handle in waiting:
            handle.future.set_exception(CancelledError())
        for slot in [slot for slot in self._active if slot.handle.cancelling]:
            try:
                if slot.handle.keeping:
                    slot.keep()
            except Exception as error:
                self._end(slot, error)
            else:
                self._end(slot, CancelledError())

    def _admit(self) -> None:
        while len(self._active) < self._slots:
            with self._lock:
                handle = self._waiting.next(slot.tenant for slot in self._active)
            if handle is None:
                return
            try:
                slot = self._load(handle) if not self._active or self._fits(handle) else None
            except Exception as error:
                handle.future.set_exception(error)
                continue
            if slot is None:
                with self._lock:
                    self._waiting.put_back(handle.tenant, handle)
                return
            self._active.append(slot)
            self._end_if_finished(slot)

    def _load(self, handle: TrainingHandle) -> Slot | None:
        """The job with all that it needs; None where it has to wait for memory.

        Raises:
            EngineError: the job cannot be trained here.
        """
        with memory_errors("loading the adapters of a training"):
            slot = Slot(handle, self._model, self._base, self._frozen, pass_tokens=self._tokens_of_a_pass())
        # only now are the lengths of its rows known
        needed, free = self._bytes_of_longest_row(handle), available_bytes(self._base.device)
        if handle.longest_row <= _RESERVED_TOKENS or needed <= free:
            return slot
        slot.release()
        if self._active:
            return None
        raise OutOfMemory(
            f"a step with the row of {handle.longest_row} tokens takes {needed / 2**20:.0f} MiB, and"
            f" {free / 2**20:.0f} MiB are free; lower the recipe's maxLength, or free memory"
        )

    def _fits(self, handle: TrainingHandle) -> bool:
        layout = AdapterLayout.of(self._base, handle.job.recipe)
        held = bytes_per_job(self._base, layout) + bytes_of_hidden_cache(self._base, layout)
        usual = min(self.budget.tokens, _RESERVED_TOKENS) * bytes_per_token(self._base)
        step = max(usual + bytes_per_step(self._base) * self._streams, self._bytes_of_longest_row(handle))
        return held + step <= available_bytes(self._base.device)

    def _bytes_of_longest_row(self, handle: TrainingHandle) -> int:
        """Bytes of the smallest pass that the job can be split into."""
        lowest = handle.job.recipe.lowest_layer(len(self._base.layers))
        per_token = bytes_per_token(self._base, keys=handle.longest_row, lowest_layer=lowest)
        return handle.longest_row * per_token + bytes_per_step(self._base)

    def _fitting_tokens(self) -> int:
        free = available_bytes(self._base.device) - bytes_per_step(self._base) * self._streams
        return max(1, free // bytes_per_token(self._base))

    def _shrink(self) -> bool:
        """Make later steps hold fewer tokens; false where they hold the fewest already."""
        if not self.budget.shrink():
            return False
        _log.warning("a step now holds %d tokens, a pass %d", self.budget.tokens, self.budget.pass_tokens)
        return True

    def _make_room(self, slot: Slot, error: OutOfMemory) -> None:
        """After a job found no memory alone: take it again in smaller passes, or end it."""
        if not self._shrink():
            self._end(slot, error)

    def _compute_apart(self, chosen: Sequence[Slot], error: Exception) -> tuple[list[Slot], list[tuple[float, float]]]:
        """After a step failed: compute each job alone, and end those that also fail alone.

        Where none does, the jobs are too much only together, and later steps hold fewer tokens.

        Returns:
            The jobs that passed, and their (loss, gradient norm).
        """
        if len(chosen) == 1:
            self._end(chosen[0], error)
            return [], []
        _log.warning("a step of %d jobs failed; each is computed alone", len(chosen), exc_info=error)
        passed: list[Slot] = []
        measured: list[tuple[float, float]] = []
        for slot in chosen:
            try:
                [alone] = self._compute([slot])
            except OutOfMemory as no_room:
                self._make_room(slot, no_room)
            except Exception as defect:
                self._end(slot, defect)
            else:
                passed.append(slot)
                measured.append(alone)
        if len(passed) == len(chosen):
            self._shrink()
        return passed, measured
