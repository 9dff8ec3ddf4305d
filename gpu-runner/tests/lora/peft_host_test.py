"""Adapters on a shared base: the base is never touched, and only what is active counts."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from selkie_runner.errors import InvalidAdapter
from selkie_runner.lora.peft_folder import write_adapter
from selkie_runner.lora.peft_host import PeftHost
from selkie_runner.lora.weights import LoraWeights
from selkie_runner.models.loading import LoadedModel
from support.engine import FAMILIES, assert_same_bits, base_weights, logits, random_layer, tiny


def merged_logits(model: LoadedModel, layers: list[LoraWeights]) -> Tensor:
    """Logits with the updates added to the base's own weights: what the adapters should amount to."""
    with torch.no_grad():
        for layer in layers:
            for module, a in layer.a.items():
                model.model.get_submodule(module).get_parameter("weight").add_(layer.scale * layer.b[module] @ a)
    return logits(model)


@pytest.mark.parametrize("family", FAMILIES)
def test_base_is_the_same_bits_after_any_use(family: str, tmp_path: Path) -> None:
    model = tiny(family)
    weights, plain = base_weights(model), logits(model)
    write_adapter(random_layer(model, rank=4, seed=1), tmp_path / "one")
    write_adapter(random_layer(model, rank=8, seed=2, only="v_proj"), tmp_path / "two")
    for _ in range(3):
        model.adapters.load("one", tmp_path / "one")
        model.adapters.load("a.dotted/name with lora_", tmp_path / "two")
        assert torch.equal(logits(model), plain)
        model.adapters.activate(["one", "a.dotted/name with lora_"], trainable="one")
        assert not torch.equal(logits(model), plain)
        model.adapters.unload("one")
        assert model.adapters.active == ("a.dotted/name with lora_",)
        assert not any(parameter.requires_grad for parameter in model.model.parameters())
        model.adapters.unload("a.dotted/name with lora_")
        assert torch.equal(logits(model), plain)
    assert_same_bits(base_weights(model), weights)


@pytest.mark.parametrize("family", FAMILIES)
def test_active_adapters_add_up(family: str) -> None:
    model = tiny(family)
    one, two = random_layer(model, rank=4, seed=1), random_layer(model, rank=2, seed=2, only="mlp")
    plain = logits(model)
    model.adapters.add("one", one)
    model.adapters.add("two", two)
    for names, layers in ((["one"], [one]), ("two", [two]), (["one", "two"], [one, two])):
        model.adapters.activate(names)
        expected = merged_logits(tiny(family), layers)
        assert float((logits(model) - expected).abs().max()) < 1e-4
        assert float((expected - plain).abs().max()) > 1e-2
    model.adapters.activate(None)
    assert torch.equal(logits(model), plain)


def test_gradients_go_to_the_trainable_adapter_only() -> None:
    model = tiny("llama-tiny")
    model.adapters.add("frozen", random_layer(model, rank=4, seed=1))
    model.adapters.add("idle", random_layer(model, rank=4, seed=2))
    model.adapters.add("trained", random_layer(model, rank=4, seed=3))
    model.adapters.activate(["frozen", "trained"], trainable="trained")
    model.model(input_ids=torch.tensor([[3, 4, 5]])).logits.sum().backward()
    trained = {id(parameter) for parameter in model.adapters.parameters("trained").values()}
    with_gradient = {id(parameter) for parameter in model.model.parameters() if parameter.grad is not None}
    assert with_gradient == trained
    model.adapters.activate("trained")
    assert not any(parameter.requires_grad for parameter in model.model.parameters())


def test_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    model = tiny("llama-tiny")
    layer = random_layer(model, rank=4, seed=1, only="q_proj")
    cases = {
        "no linear module": {"model.layers.9.q_proj": layer.a["model.layers.0.self_attn.q_proj"]},
        "of the base is": {"model.layers.0.self_attn.q_proj": torch.zeros(4, 7)},
    }
    for message, a in cases.items():
        wrong = LoraWeights(rank=4, alpha=8, a=a, b=dict.fromkeys(a, torch.zeros(32, 4)))
        write_adapter(wrong, tmp_path / "wrong")
        with pytest.raises(InvalidAdapter, match=message):
            model.adapters.load("wrong", tmp_path / "wrong")
    assert model.adapters.names == []
    model.adapters.add("one", layer)
    with pytest.raises(InvalidAdapter, match="already loaded"):
        model.adapters.add("one", layer)
    with pytest.raises(KeyError, match="not loaded"):
        model.adapters.activate("two")


def test_model_has_one_host() -> None:
    model = tiny("llama-tiny")
    model.adapters.add("one", random_layer(model, rank=4, seed=1))
    with pytest.raises(ValueError, match=r"LoadedModel\.adapters"):
        PeftHost(model.model)
