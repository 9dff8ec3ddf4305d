"""A job while it holds a slot: its state, its turn, its export."""

import math

from ...errors import Diverged, InvalidTraining
from ...jobs.job import TrainingProgress, TrainingResult
from ...jobs.lessons import check_teachers
from ...jobs.sources import row_source
from ...lora.peft_folder import write_trained
from ...lora.weights import update_norm
from ...models.loading import LoadedModel
from ..base import FrozenBase
from ..lora.frozen import FrozenAdapters
from .handle import TrainingHandle
from .job_state import JobState
from .packing import Segment, packed_tokens
from .teaching import Teaching


class Slot:
    """One active job.

    Attributes:
        last_step: the number of the engine's step that it was last in; -1 for none.
        segments: what its next step trains on.
    """

    def __init__(
        self,
        handle: TrainingHandle,
        model: LoadedModel,
        base: FrozenBase,
        frozen: FrozenAdapters,
        *,
        pass_tokens: int,
    ) -> None:
        """Load everything that the job needs. A pass that prepares its rows holds `pass_tokens`.

        Raises:
            EngineError: the job cannot be trained on this model. Nothing is held then.
        """
        job = handle.job
        if job.recipe.max_length > model.max_length:
            raise InvalidTraining(
                f"the recipe's maxLength {job.recipe.max_length} is above the {model.max_length} that the registry"
                f" allows {model.name}"
            )
        source = row_source(job, model)
        check_teachers(source.rows, job.recipe, model.max_length)
        self.handle = handle
        self._frozen = frozen
        stack = frozen.acquire(job.stack)
        try:
            self.training = JobState(base, job, source, stack, pad_id=model.eos_id, pass_tokens=pass_tokens)
            self.training.restore(handle.work_dir)
        except BaseException:
            frozen.release(job.stack)
            raise
        handle.longest_row = self.training.longest_row
        self.last_step = -1
        self._began_at = self._saved = self.training.step
        self._lay_out()

    @property
    def tenant(self) -> str:
        return self.handle.tenant

    @property
    def next_tokens(self) -> int:
        """Tokens that the next step computes: a shared prefix once, deliberate padding counted in."""
        return packed_tokens(self.segments)

    def prepare(self, base: FrozenBase, teaching: Teaching, pass_tokens: int) -> int:
        """Prepare the rows further, before the first step; returns the tokens computed."""
        tokens = self.training.prepare(base, teaching, pass_tokens)
        self._lay_out()
        return tokens

    def advance(self, loss: float, norm: float, number: int) -> None:
        """One optimizer step with the gradients that a pass left; a checkpoint where one is due.

        Raises:
            Diverged: the loss or the gradient is not finite; the layer is as it was before.
        """
        training, handle = self.training, self.handle
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise Diverged(f"step {training.step + 1}: loss {loss}, gradient norm {norm}")
        training.apply(loss, norm)
        self.last_step = number
        every = handle.checkpoint_every_steps
        if every > 0 and training.step % every == 0:
            self._save()
        self._lay_out()

    def keep(self) -> None:
        """Write a checkpoint of the last step, where the job has checkpoints and none holds it yet."""
        if self.handle.checkpoint_every_steps > 0 and self.training.step > self._saved:
            self._save()
            self._lay_out()

    def finish(self) -> TrainingResult:
        """Export the trained layer.

        Raises:
            Diverged: the layer holds values that are not finite.
        """
        training = self.training
        trained = training.trained()
        norm = update_norm(trained)
        if not math.isfinite(norm):
            raise Diverged("the trained layer holds values that are not finite")
        layer_dir, served_dir, rank = write_trained(trained, self.handle.job.stack, self.handle.work_dir)
        return TrainingResult(
            steps=training.step,
            tokens=training.tokens,
            final_loss=training.loss,
            update_norm=norm,
            resumed_from_step=self._began_at,
            layer_dir=layer_dir,
            served_dir=served_dir,
            rank=rank,
        )

    def release(self) -> None:
        """Give back what is shared with other jobs."""
        self._frozen.release(self.handle.job.stack)

    def _save(self) -> None:
        self.training.save(self.handle.work_dir)
        self._saved = self.training.step

    def _lay_out(self) -> None:
        training = self.training
        self.segments: list[Segment] = [] if training.finished else training.segments()
        self.handle.progress = TrainingProgress(
            "exporting" if training.finished else "training",
            training.step,
            training.total_steps,
            training.loss,
            self._saved,
        )
