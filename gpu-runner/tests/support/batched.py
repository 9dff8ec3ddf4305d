"""What the batched engine's tests share: tiny bases in any dtype, and Hugging Face as the oracle in true fp64."""

import dataclasses
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.mistral.modeling_mistral import MistralRMSNorm
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from selkie_runner.batched import BatchedTrainer, TrainingHandle
from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.lora.layout import TARGETS, AdapterLayout, AdapterView, LoraTerm
from selkie_runner.batched.training.forward_backward import forward_backward
from selkie_runner.batched.training.packing import plan_step, segment
from selkie_runner.batched.training.shared_prefix import share_prefixes
from selkie_runner.jobs import batches
from selkie_runner.jobs.dataset import Row
from selkie_runner.jobs.job import Recipe, Targets, TrainingJob, TrainingResult
from selkie_runner.lora import peft_host as adapters
from selkie_runner.lora.layer_numbers import layer_number
from selkie_runner.lora.weights import LoraWeights
from selkie_runner.models.loading import LoadedModel
from selkie_runner.reference import trainer as solo_engine
from selkie_runner.reference.trainer import train_solo
from support import engine as engine_support
from support.engine import BASIC


def tiny(family: str, dtype: torch.dtype = torch.float64) -> LoadedModel:
    """A fresh tiny base in the given dtype."""
    loaded = engine_support.tiny(family)
    loaded.model.to(dtype)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return dataclasses.replace(loaded, dtype=dtype)


@contextmanager
def true_fp64() -> Generator[None]:
    """Hugging Face and `solo` go through fp32 in norms, loss and adapters; in here they keep fp64 where given it."""

    def norm(self: Any, x: Tensor) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return self.weight * scaled.to(x.dtype)

    def mean_loss(model: Any, batch: batches.Batch) -> Tensor:
        return batches.loss_of_logits(model(**batch.inputs, use_cache=False).logits.double(), batch)

    def copy(values: Tensor, device: torch.device) -> Tensor:
        return values.detach().to(device=device, dtype=torch.float64, copy=True)

    with pytest.MonkeyPatch.context() as patch:
        for norm_class in (LlamaRMSNorm, MistralRMSNorm, Qwen2RMSNorm, Qwen3RMSNorm):
            patch.setattr(norm_class, "forward", norm)
        patch.setattr(solo_engine, "mean_loss", mean_loss)
        patch.setattr(batches, "mean_loss", mean_loss)
        patch.setattr(adapters, "_copy", copy)
        yield


def recipe(**changes: Any) -> Recipe:
    """A small recipe with the given fields replaced."""
    return dataclasses.replace(engine_support.BASIC, **{"epochs": 2, "batch_size": 1, "targets": "qv", **changes})


def texts(folder: Path, lines: Sequence[str]) -> Path:
    """A dataset of plain texts."""
    return engine_support.dataset(folder, [{"text": line} for line in lines])


def random_layer(
    decoder: FrozenBase, rank: int, alpha: float, targets: Targets, seed: int, *, size: float = 0.3, lowest: int = 0
) -> LoraWeights:
    """A layer with random A and B, neither zero, in fp64."""
    generator = torch.Generator().manual_seed(seed)
    layout = AdapterLayout(decoder, rank, TARGETS[targets], lowest)
    flat = torch.randn(layout.size, generator=generator, dtype=torch.float64) * size
    modules = list(layout.view(flat).modules())
    return LoraWeights(rank, alpha, {name: a for name, a, _ in modules}, {name: b for name, _, b in modules})


def view_of(decoder: FrozenBase, layer: LoraWeights, dtype: torch.dtype) -> AdapterView:
    """The layer as the engine holds it, without its scale."""
    lowest = min(layer_number(name) for name in layer.a)
    layout = AdapterLayout(decoder, layer.rank, frozenset(name.rpartition(".")[2] for name in layer.a), lowest)
    view = layout.view(torch.empty(layout.size, dtype=dtype))
    for name, a, b in view.modules():
        a.copy_(layer.a[name])
        b.copy_(layer.b[name])
    return view


def oracle_gradients(
    model: LoadedModel, stack: Sequence[LoraWeights], layer: LoraWeights, rows: Sequence[Row]
) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients by Hugging Face and PEFT, the job alone; inside `true_fp64`."""
    host = model.adapters
    names = [f"frozen{i}" for i in range(len(stack))]
    for name, frozen in zip(names, stack, strict=True):
        host.add(name, frozen)
    host.add("trained", layer)
    try:
        host.activate([*names, "trained"], trainable="trained")
        parameters = host.parameters("trained")
        batch = batches.packed(rows, model.device)
        loss = batches.mean_loss(model.model, batch)
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        return loss.item(), dict(zip(parameters, gradients, strict=True))
    finally:
        for name in reversed([*names, "trained"]):
            host.unload(name)


def engine_gradients(
    decoder: FrozenBase,
    jobs: Sequence[tuple[Sequence[LoraWeights], LoraWeights, Sequence[Row]]],
    *,
    grouped: bool = False,
) -> list[tuple[float, dict[str, Tensor]]]:
    """Loss and gradients of all jobs, given as (stack, layer, rows), in one packed pass."""
    plan = plan_step(
        [share_prefixes([segment(row, BASIC, pad_id=0) for row in rows]) for _, _, rows in jobs],
        decoder,
    )
    terms: list[LoraTerm] = []
    frozen_terms: list[LoraTerm] = []
    dtype = decoder.dtype
    for (stack, layer, _), span in zip(jobs, plan.spans, strict=True):
        weights = view_of(decoder, layer, decoder.dtype)
        gradients = weights.layout.view(torch.full_like(weights.flat, float("nan")))
        terms.append(LoraTerm(span, weights, layer.scale, gradients))
        frozen_terms += [LoraTerm(span, view_of(decoder, frozen, dtype), frozen.scale, None) for frozen in stack]
    terms += frozen_terms
    losses = forward_backward(decoder, plan, terms, grouped=grouped)
    found: list[tuple[float, dict[str, Tensor]]] = []
    trained = [term for term in terms if term.gradients is not None]
    for term, loss in zip(trained, losses.tolist(), strict=True):
        by_name: dict[str, Tensor] = {}
        for name, a, b in cast(AdapterView, term.gradients).modules():
            by_name[f"{name}.A"], by_name[f"{name}.B"] = a, b
        found.append((loss, by_name))
    return found


def relative(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> float:
    """Largest difference over the largest value, over all tensors."""
    assert found.keys() == wanted.keys()
    difference = max(float((found[name].double() - wanted[name].double()).abs().max()) for name in wanted)
    return difference / max(float(wanted[name].abs().max()) for name in wanted)


def run_all(engine: BatchedTrainer, jobs: Sequence[TrainingJob], folder: Path, late: int = 0) -> list[TrainingHandle]:
    """Submit the first half, take `late` steps, submit the rest, run to the end. A checkpoint after every step."""
    handles: list[TrainingHandle] = []
    half = (len(jobs) + 1) // 2
    for i, job in enumerate(jobs):
        if i == half:
            for _ in range(late):
                engine.step()
        handles.append(engine.submit(job, folder / str(i), 1, tenant=str(i % 2)))
    while engine.step():
        pass
    assert engine.idle
    return handles


def solo(model: LoadedModel, job: TrainingJob, folder: Path, *, stop_after: int = -1, every: int = 1) -> TrainingResult:
    """The job's result by the oracle, or an empty one when stopped after `stop_after` steps."""
    training = train_solo(model, job, folder, every)
    try:
        while True:
            if next(training).step == stop_after:
                training.close()
                return TrainingResult(stop_after, 0, None, 0.0, 0, folder, folder, 0)
    except StopIteration as end:
        return end.value


def checkpoint_of(folder: Path) -> dict[str, Tensor]:
    """Parameters and moments of a training's last checkpoint."""
    return load_file(folder / "checkpoint.safetensors")
