"""The solo engine against the Hugging Face `Trainer`, from the same first weights: order, padding, clip, schedule."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import Trainer, TrainingArguments

from selkie_runner.jobs.dataset import Row, load_rows
from selkie_runner.lora.peft_folder import read_adapter
from selkie_runner.lora.weights import initial_weights
from selkie_runner.models.loading import LoadedModel
from selkie_runner.reference.trainer import target_shapes, train_solo
from support.engine import EXAMPLES, FAMILIES, dataset, finish, job, tiny

TEXTS = EXAMPLES[:2] + EXAMPLES[3:4]

CASES: dict[str, tuple[list[Mapping[str, Any]], dict[str, Any]]] = {
    "batch of one, every kind of row": (EXAMPLES, {"batch_size": 1}),
    "batches of unequal rows, last one short": (EXAMPLES, {"batch_size": 3, "epochs": 4}),
    "no clipping, weight decay, q and v": (EXAMPLES, {"max_grad_norm": 0.0, "weight_decay": 0.1, "targets": "qv"}),
    "clip always active": (EXAMPLES, {"max_grad_norm": 0.01}),
    "cosine": (EXAMPLES, {"schedule": "cosine"}),
    "upper layers alone": (EXAMPLES, {"frozen_below": 0.5}),
    "constant": (EXAMPLES, {"schedule": "constant"}),
    "capped steps decay over the cap": (EXAMPLES, {"max_steps": 4}),
    "SEAL's padding": (TEXTS, {"loss_on_padding": "reference", "append_eos": False, "batch_size": 2}),
}


def _collate(rows: list[Row], length: int | None, pad_id: int) -> dict[str, Tensor]:
    # with a length: pads are labels, as SEAL's server has them; without: padded to the longest row and masked
    width = length or max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), pad_id)
    labels = torch.full((len(rows), width), pad_id if length else -100)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        labels[index, : len(row.ids)] = torch.tensor(row.ids)
        labels[index, : row.first_target] = -100
        mask[index, : len(row.ids)] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def _trainer_weights(model: LoadedModel, job_: Any, work_dir: Path) -> dict[str, Tensor]:
    recipe = job_.recipe
    rows = list(load_rows(job_.dataset, model, recipe.max_length, recipe.append_eos))
    first = initial_weights(target_shapes(model, recipe), recipe.rank, recipe.alpha, job_.seed)
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=list(first.a), task_type="CAUSAL_LM")
    peft_model = get_peft_model(model.model, config)
    names = {name.removeprefix("base_model.model."): p for name, p in peft_model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for module, a in first.a.items():
            names[f"{module}.lora_A.default.weight"].copy_(a)
            names[f"{module}.lora_B.default.weight"].zero_()
    length = recipe.max_length if recipe.loss_on_padding == "reference" else None
    arguments = TrainingArguments(
        output_dir=str(work_dir),
        per_device_train_batch_size=recipe.batch_size,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        seed=job_.seed,
        use_cpu=True,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
    )
    trainer = Trainer(
        model=peft_model,
        args=arguments,
        train_dataset=rows,  # pyright: ignore[reportArgumentType]
        data_collator=lambda batch: _collate(batch, length, model.eos_id),
    )
    trainer.train()
    return {name: parameter.detach() for name, parameter in names.items()}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", CASES)
def test_solo_equals_the_hugging_face_trainer(family: str, case: str, tmp_path: Path) -> None:
    examples, fields = CASES[case]
    training = job(tmp_path, **fields)
    training = dataclasses.replace(training, dataset=dataset(tmp_path / "case", examples))

    result, _ = finish(train_solo(tiny(family), training, tmp_path / "work", checkpoint_every_steps=0))
    expected = _trainer_weights(tiny(family), training, tmp_path / "trainer")

    ours = read_adapter(result.layer_dir)
    worst = 0.0
    for module, a in ours.a.items():
        update = ours.b[module] @ a
        theirs = expected[f"{module}.lora_B.default.weight"] @ expected[f"{module}.lora_A.default.weight"]
        worst = max(worst, float((update - theirs).abs().max()) * ours.scale)
    assert result.update_norm > 0.05
    assert worst < 1e-5
