"""The side to beat: the Hugging Face `Trainer` with PEFT, one adapter at a time, as SEAL's training server runs it.

Only the time between the begin and the end of an optimizer step counts. What the `Trainer` takes to be set up and to
fetch a batch is left out, in its favour; the batched side's own planning is counted.
"""

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from ..jobs.dataset import Row, load_rows
from ..jobs.job import TrainingJob
from ..jobs.sources import row_source
from ..models.loading import LoadedModel
from .result import finish

_TARGETS: dict[str, list[str] | str] = {"qv": ["q_proj", "v_proj"], "all-linear": "all-linear"}


@dataclass(frozen=True)
class Timed:
    """Optimizer steps that were measured: how many, their seconds, their real tokens."""

    steps: int
    seconds: float
    tokens: int


def train_one_by_one(
    model: LoadedModel, jobs: Sequence[TrainingJob], *, warm_up: int, steps: int, pad_to: int | None = None
) -> Timed:
    """Take `warm_up` steps of each job that do not count, then `steps` that do.

    Args:
        pad_to: pad each row to `pad_to` positions and take the loss on the padding, as SEAL does; by default a row is
            computed as long as it is.
    """
    timed = [_train(model, job, warm_up, steps, pad_to) for job in jobs]
    return Timed(
        steps=sum(one.steps for one in timed),
        seconds=sum(one.seconds for one in timed),
        tokens=sum(one.tokens for one in timed),
    )


def tokens_of_steps(model: LoadedModel, job: TrainingJob, steps: range) -> int:
    """Real tokens of some of a job's steps."""
    source = row_source(job, model)
    return sum(len(source.rows[row].ids) for step in steps for row in source.draw(step))


def _train(model: LoadedModel, job: TrainingJob, warm_up: int, steps: int, pad_to: int | None) -> Timed:
    recipe = job.recipe
    rows = list(load_rows(job.dataset, model, recipe.max_length, recipe.append_eos and pad_to is None))
    config = LoraConfig(
        r=recipe.rank, lora_alpha=int(recipe.alpha), target_modules=_TARGETS[recipe.targets], task_type="CAUSAL_LM"
    )
    clock = _StepClock(model.device, warm_up, steps)
    with tempfile.TemporaryDirectory() as folder:
        peft_model = cast(PeftModel, get_peft_model(model.model, config))
        try:
            trainer = Trainer(
                model=peft_model,
                args=_arguments(folder, model, job),
                train_dataset=cast(Any, rows),
                data_collator=lambda batch: _collate(batch, pad_to, model.eos_id),
                callbacks=[clock],
            )
            # it prints to standard output, which belongs to the result
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        finally:
            peft_model.unload()
            # PEFT leaves its mark on the base, and warns of it the next time
            if hasattr(model.model, "peft_config"):
                del model.model.peft_config
            model.model.requires_grad_(False).eval()
    return Timed(steps, clock.seconds, tokens_of_steps(model, job, range(warm_up, warm_up + steps)))


def _arguments(folder: str, model: LoadedModel, job: TrainingJob) -> TrainingArguments:
    recipe = job.recipe
    return TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=recipe.batch_size,
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        seed=job.seed,
        # as SEAL: adapters in fp32, products under autocast
        bf16=model.dtype == torch.bfloat16,
        use_cpu=model.device.type == "cpu",
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
    )


def _collate(rows: list[Row], pad_to: int | None, pad_id: int) -> dict[str, Tensor]:
    """`input_ids`, `attention_mask` and `labels`, each [rows, positions]."""
    width = pad_to or max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), pad_id)
    labels = torch.full((len(rows), width), pad_id if pad_to else -100)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        kept = torch.tensor(row.ids[:width])
        ids[index, : len(kept)] = kept
        labels[index, : len(kept)] = kept
        mask[index, : len(kept)] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


@dataclasses.dataclass
class _StepClock(TrainerCallback):
    """Adds up the time inside optimizer steps, and ends the training after the last that counts."""

    device: torch.device
    warm_up: int
    steps: int
    seconds: float = 0.0
    _began: float = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        finish(self.device)
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        finish(self.device)
        if state.global_step > self.warm_up:
            self.seconds += time.perf_counter() - self._began
        if state.global_step >= self.warm_up + self.steps:
            control.should_training_stop = True
