"""One job's state: its weights in at least fp32, its optimizer, its position in the data."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ...jobs.job import Recipe, TrainingJob
from ...jobs.schedule import learning_rate, total_steps
from ...jobs.sources import RowSource
from ...lora.weights import LoraWeights, initial_weights
from ...store import checkpoint
from ...store.checkpoint import Checkpoint
from ..base import FrozenBase
from ..kernels.elementwise import statistics_dtype
from ..lora.frozen import FrozenAdapter
from ..lora.layout import AdapterLayout, AdapterView
from ..lora.mixed_precision import adapter_dtype
from .hidden_cache import next_rows, with_cached_hidden, worth_caching
from .objectives import Objective, WeightedLikelihood
from .packing import Segment, packed_tokens, segment
from .shared_prefix import share_prefixes
from .teaching import Teaching, next_lesson


class JobState:
    """The trained layer of a job, its AdamW, clip, schedule and step counter; shares nothing with other jobs.

    Attributes:
        longest_row: tokens of the longest row, its padding included.
        step: finished optimizer steps.
        tokens: real tokens of those.
        loss: of the last step.
        objective: the loss as a function of the targets' log-probabilities.
        total_steps: optimizer steps of the whole training.
        weights: the layer as a pass takes it: the masters, or on many rows a copy in the pass's dtype that `refresh`
            brings up to date.
        gradients: where a pass leaves gradients.
    """

    def __init__(
        self,
        base: FrozenBase,
        job: TrainingJob,
        source: RowSource,
        stack: tuple[FrozenAdapter, ...],
        *,
        pad_id: int,
        pass_tokens: int,
    ) -> None:
        """Begin a training at its first step.

        Args:
            source: the rows, and those of each step.
            stack: frozen layers below the trained one, lowest first.
            pass_tokens: tokens of one pass that prepares rows.
        """
        self.job = job
        self.stack = stack
        self.total_steps = total_steps(source, job.recipe)
        self.step = 0
        self.tokens = 0
        self.loss: float | None = None
        self.objective: Objective = WeightedLikelihood()
        self._source = source
        self._pad_id = pad_id
        #: rows without targets, in order
        self._untaught = [index for index, row in enumerate(source.rows) if row.teacher is not None]
        self._rows = [segment(row, job.recipe, pad_id) for row in source.rows]
        self.longest_row = max(len(row.ids) for row in self._rows)
        layout = AdapterLayout.of(base, job.recipe)
        visits = int(self.total_steps * source.rows_per_step)
        #: index of the first row without cached hidden states
        self._uncached = 0 if worth_caching(layout, self._rows, visits, pass_tokens) else len(self._rows)
        wide = statistics_dtype(base.dtype)
        self._theta = nn.Parameter(torch.empty(layout.size, dtype=wide, device=base.device), requires_grad=False)
        self._masters = layout.view(self._theta)
        self._gradient = torch.empty_like(self._theta)
        self._optimizer = torch.optim.AdamW(
            [self._theta], betas=(0.9, 0.999), eps=1e-8, weight_decay=job.recipe.weight_decay, fused=True
        )
        step_tokens = sum(len(row.ids) for row in source.rows) / len(source.rows) * source.rows_per_step
        dtype = adapter_dtype(base, step_tokens)
        if dtype == wide:
            self.weights, self.gradients = self._masters, layout.view(self._gradient)
        else:
            self.weights = layout.view(torch.empty(layout.size, dtype=dtype, device=base.device))
            self.gradients = layout.view(torch.empty_like(self.weights.flat))
        self._initialise()

    @property
    def recipe(self) -> Recipe:
        return self.job.recipe

    @property
    def scale(self) -> float:
        return self.recipe.alpha / self.recipe.rank

    @property
    def finished(self) -> bool:
        return self.step >= self.total_steps

    def segments(self) -> list[Segment]:
        """What the next step trains on."""
        return share_prefixes([self._rows[row] for row in self._source.draw(self.step)])

    @property
    def preparing(self) -> bool:
        """Whether `prepare` has rows left."""
        return bool(self._untaught) or self._uncached < len(self._rows)

    def prepare(self, base: FrozenBase, teaching: Teaching, pass_tokens: int) -> int:
        """Compute, in one pass, what the next rows need for all steps: targets from their teachers, then hidden states.

        Returns:
            The tokens that the pass computed.
        """
        return self._teach(teaching, pass_tokens) if self._untaught else self._cache_hidden(base, pass_tokens)

    def _teach(self, teaching: Teaching, pass_tokens: int) -> int:
        rows = next_lesson([self._source.rows[index] for index in self._untaught], pass_tokens)
        taught, tokens = teaching.teach(rows, self.job.stack, self.stack)
        for index, row in zip(self._untaught, taught, strict=False):
            self._rows[index] = segment(row, self.recipe, self._pad_id)
        del self._untaught[: len(rows)]
        return tokens

    def _cache_hidden(self, base: FrozenBase, pass_tokens: int) -> int:
        rows = next_rows(self._rows, pass_tokens, first=self._uncached)
        done = self._uncached + len(rows)
        lowest = self._masters.layout.lowest_layer
        self._rows[self._uncached : done] = with_cached_hidden(base, rows, self.stack, lowest)
        self._uncached = done
        return packed_tokens(share_prefixes(rows))

    def refresh(self) -> None:
        """Bring `weights` up to the masters."""
        if self.weights is not self._masters:
            self.weights.flat.copy_(self._theta)

    def collect(self, gradients: AdapterView, *, first: bool) -> None:
        """Take the gradients of a pass; a step of several passes adds them up."""
        if gradients.flat is self._gradient:
            return
        if first:
            self._gradient.copy_(gradients.flat)
        else:
            self._gradient.add_(gradients.flat)

    def gradient_norm(self) -> Tensor:
        """Norm of the whole layer's gradient, [] on the device."""
        return torch.linalg.vector_norm(self._gradient)

    def apply(self, loss: float, norm: float) -> None:
        """One optimizer step with the collected gradient, clipped to the recipe's norm."""
        limit = self.recipe.max_grad_norm
        clip = min(1.0, limit / (norm + 1e-6)) if limit > 0 else 1.0
        if clip != 1.0:
            self._gradient.mul_(clip)
        self._theta.grad = self._gradient
        self._optimizer.param_groups[0]["lr"] = learning_rate(self.step, self.total_steps, self.recipe)
        self._optimizer.step()
        self.tokens += sum(self._rows[row].keys for row in self._source.draw(self.step))
        self.step += 1
        self.loss = loss

    def trained(self) -> LoraWeights:
        """A copy of the layer, in fp32 on the CPU."""
        a: dict[str, Tensor] = {}
        b: dict[str, Tensor] = {}
        for name, factor_a, factor_b in self._masters.modules():
            a[name] = factor_a.detach().to("cpu", torch.float32, copy=True)
            b[name] = factor_b.detach().to("cpu", torch.float32, copy=True)
        return LoraWeights(self.recipe.rank, self.recipe.alpha, a, b)

    def save(self, folder: Path) -> None:
        """Write a checkpoint, in the form that the solo engine writes."""
        assert self.loss is not None
        parameters, optimizer = self._by_module()
        checkpoint.save(
            folder, self.job.training_key, Checkpoint(self.step, self.loss, self.tokens), parameters, optimizer
        )

    def restore(self, folder: Path) -> bool:
        """Go on from a checkpoint, of either engine; false where there is none."""
        parameters, optimizer = self._by_module()
        moments = {name: dict(optimizer.state[parameter]) for name, parameter in parameters.items()}
        found = checkpoint.restore(folder, self.job.training_key, parameters, optimizer)
        if found is None:
            return False
        for name, parameter in parameters.items():
            for moment in ("exp_avg", "exp_avg_sq"):
                moments[name][moment].copy_(optimizer.state[parameter][moment])
        self._optimizer.state[self._theta]["step"].fill_(float(found.step))
        self.step, self.loss, self.tokens = found.step, found.loss, found.tokens
        return True

    def _initialise(self) -> None:
        shapes = {name: (b.shape[0], a.shape[1]) for name, a, b in self._masters.modules()}
        fresh = initial_weights(shapes, self.recipe.rank, self.recipe.alpha, self.job.seed)
        for name, a, b in self._masters.modules():
            a.copy_(fresh.a[name])
            b.copy_(fresh.b[name])
        self._optimizer.state[self._theta] = {
            "step": torch.zeros((), device=self._theta.device),
            "exp_avg": torch.zeros_like(self._theta),
            "exp_avg_sq": torch.zeros_like(self._theta),
        }

    def _by_module(self) -> tuple[dict[str, nn.Parameter], torch.optim.Optimizer]:
        """The same memory as checkpoints know it: a parameter for each A and B, and an optimizer over those."""
        state = self._optimizer.state[self._theta]
        layout = self._masters.layout
        parameters = _named(self._masters)
        optimizer = torch.optim.AdamW(parameters.values())
        views = {moment: _named(layout.view(state[moment])) for moment in ("exp_avg", "exp_avg_sq")}
        for name, parameter in parameters.items():
            optimizer.state[parameter] = {moment: named[name].data for moment, named in views.items()}
        return parameters, optimizer


def _named(view: AdapterView) -> dict[str, nn.Parameter]:
    named: dict[str, nn.Parameter] = {}
    for name, a, b in view.modules():
        named[f"{name}.A"] = nn.Parameter(a.data, requires_grad=False)
        named[f"{name}.B"] = nn.Parameter(b.data, requires_grad=False)
    return named
