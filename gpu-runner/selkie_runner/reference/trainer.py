"""The exact engine: one LoRA layer at a time, with plain PEFT and the semantics of the Hugging Face `Trainer`.

AdamW (0.9, 0.999, 1e-8), learning rate decaying without warm-up, gradients clipped to a norm over the whole adapter,
the loss a mean over all target tokens of a step, the order of rows seeded per epoch. Covered: any causal model whose
linear modules PEFT can wrap. Not covered: dropout, warm-up, gradient accumulation (a larger batch is the same).
"""

import math
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import torch
from torch import nn

from ..errors import Diverged, InvalidTraining
from ..hardware import memory_errors
from ..jobs.batches import Batch, mean_loss, packed, padded
from ..jobs.dataset import Row
from ..jobs.job import Recipe, TrainingJob, TrainingProgress, TrainingResult
from ..jobs.lessons import check_teachers, most_likely, read_by_teacher, taught
from ..jobs.schedule import learning_rate, total_steps
from ..jobs.sources import row_source
from ..lora.layer_numbers import layer_number
from ..lora.peft_folder import write_trained
from ..lora.peft_host import snapshot
from ..lora.weights import initial_weights, update_norm
from ..models.loading import LoadedModel
from ..store import checkpoint
from ..store.checkpoint import Checkpoint

_QV = ("q_proj", "v_proj")
_runs = count()


def train_solo(
    model: LoadedModel, job: TrainingJob, work_dir: Path, checkpoint_every_steps: int
) -> Generator[TrainingProgress, bool | None, TrainingResult]:
    """Train one layer, handing back control after every optimizer step.

    Sending True after a step makes it the last: the layer is exported as it is.

    Between two steps the caller may use the model with other adapters: each step activates its own. Closing the
    generator cancels the training and takes its adapters off the model. A later call with the same `work_dir` resumes
    from the last checkpoint and ends in the same bits (fp32, same machine and thread count).

    Args:
        work_dir: belongs to this training; holds its checkpoint and, at the end, the exported folders.
        checkpoint_every_steps: 0 for no checkpoints.

    Raises:
        InvalidDataset, InvalidAdapter, InvalidTraining: the job cannot be trained on this model.
        Diverged: the loss, the gradient or the layer became non-finite.
        OutOfMemory: a step found too little memory.
    """
    recipe = job.recipe
    _check(model, recipe)
    source = row_source(job, model)
    check_teachers(source.rows, recipe, model.max_length)
    steps = total_steps(source, recipe)
    with _mounted(model, job) as (active, layer):
        parameters = model.adapters.parameters(layer)
        optimizer = torch.optim.AdamW(
            parameters.values(), betas=(0.9, 0.999), eps=1e-8, weight_decay=recipe.weight_decay, fused=True
        )
        start = checkpoint.restore(work_dir, job.training_key, parameters, optimizer)
        begun = saved = start.step if start else 0
        loss = start.loss if start else None
        tokens = start.tokens if start else 0
        yield TrainingProgress("preparing", begun, steps, loss, saved)
        rows = list(source.rows)
        for index, row in enumerate(rows):
            if row.teacher is not None:
                model.adapters.activate(active[:-1])
                rows[index] = _taught(model, row)
                yield TrainingProgress("preparing", begun, steps, loss, saved)
        done = begun
        for step in range(begun, steps):
            model.adapters.activate(active, trainable=layer)
            drawn = [rows[row] for row in source.draw(step)]
            batch = _batch(drawn, model, recipe)
            optimizer.param_groups[0]["lr"] = learning_rate(step, steps, recipe)
            with memory_errors(f"training step {step + 1} of {steps}"):
                loss = _step(model, batch, optimizer, recipe.max_grad_norm, step + 1)
            done, tokens = step + 1, tokens + sum(len(row.ids) for row in drawn)
            if checkpoint_every_steps > 0 and done % checkpoint_every_steps == 0:
                checkpoint.save(work_dir, job.training_key, Checkpoint(done, loss, tokens), parameters, optimizer)
                saved = done
            if (yield TrainingProgress("training", done, steps, loss, saved)):
                break
        yield TrainingProgress("exporting", done, steps, loss, saved)
        trained = snapshot(parameters, recipe.rank, recipe.alpha)
    norm = update_norm(trained)
    if not math.isfinite(norm):
        raise Diverged("the trained layer holds values that are not finite")
    layer_dir, served_dir, rank = write_trained(trained, job.stack, work_dir)
    return TrainingResult(
        steps=done,
        tokens=tokens,
        final_loss=loss,
        update_norm=norm,
        resumed_from_step=begun,
        layer_dir=layer_dir,
        served_dir=served_dir,
        rank=rank,
    )


def target_shapes(model: LoadedModel, recipe: Recipe) -> dict[str, tuple[int, int]]:
    """(out, in) of the modules that a recipe trains.

    Raises:
        InvalidTraining: the model has none of them.
    """
    shapes = model.adapters.linear_shapes()
    if recipe.targets == "qv":
        shapes = {module: shape for module, shape in shapes.items() if module.rsplit(".", 1)[-1] in _QV}
    lowest = recipe.lowest_layer(model.model.config.get_text_config().num_hidden_layers)
    shapes = {module: shape for module, shape in shapes.items() if layer_number(module) >= lowest}
    if not shapes:
        raise InvalidTraining(f"{model.name} has no modules for the targets {recipe.targets!r}; try all-linear")
    return shapes


def _check(model: LoadedModel, recipe: Recipe) -> None:
    if recipe.max_length > model.max_length:
        raise InvalidTraining(
            f"the recipe's maxLength {recipe.max_length} is above {model.max_length}, the registry's for {model.name}"
        )
    if recipe.loss_on_padding == "mask" and not model.packs_rows:
        raise InvalidTraining(f"{model.name} mixes packed rows in attention; this engine cannot train it yet")


@contextmanager
def _mounted(model: LoadedModel, job: TrainingJob) -> Generator[tuple[list[str], str]]:
    """The stack and a fresh layer on the model: the names to activate, lowest first, and the one to train."""
    run = f"train/{next(_runs)}"
    mounted: list[str] = []
    shapes = target_shapes(model, job.recipe)
    try:
        with memory_errors("loading the adapters of a training"):
            for depth, folder in enumerate(job.stack):
                model.adapters.load(f"{run}/{depth}", folder)
                mounted.append(f"{run}/{depth}")
            model.adapters.add(run, initial_weights(shapes, job.recipe.rank, job.recipe.alpha, job.seed))
            mounted.append(run)
        yield mounted, run
    finally:
        for name in reversed(mounted):
            model.adapters.unload(name)


@torch.no_grad()
def _taught(model: LoadedModel, row: Row) -> Row:
    """The row with the targets that its teacher, the active adapters on the base, predicts."""
    with memory_errors("reading a row as its teacher does"):
        logits = model.model(**packed([read_by_teacher(row)], model.device).inputs, use_cache=False).logits
    return taught(row, most_likely(logits[0]))


def _batch(rows: list[Row], model: LoadedModel, recipe: Recipe) -> Batch:
    if recipe.loss_on_padding == "mask":
        return packed(rows, model.device)
    # SEAL pads with the end token, so that the loss teaches to go on ending
    return padded(rows, recipe.max_length, model.eos_id, model.device)


def _step(
    model: LoadedModel,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    max_grad_norm: float,
    number: int,
) -> float:
    parameters: list[nn.Parameter] = optimizer.param_groups[0]["params"]
    with torch.enable_grad():
        loss = mean_loss(model.model, batch)
        loss.backward()
    norm = nn.utils.clip_grad_norm_(parameters, max_grad_norm if max_grad_norm > 0 else math.inf)
    value = loss.item()
    if not (math.isfinite(value) and math.isfinite(norm.item())):
        raise Diverged(f"step {number}: loss {value}, gradient norm {norm.item()}")
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return value
