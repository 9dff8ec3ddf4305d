"""PEFT folders as vLLM and PEFT take them, and a stack as one adapter."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel
from safetensors import safe_open
from safetensors.torch import save_file

from selkie_runner.errors import InvalidAdapter, InvalidTraining
from selkie_runner.lora.layer_numbers import layer_number, lowest_layer
from selkie_runner.lora.peft_folder import KNOWN_OPTIONS, concatenate, read_adapter, write_adapter
from selkie_runner.lora.weights import LoraWeights, update_norm
from support.engine import FAMILIES, logits, random_layer, tiny


def test_folder_is_what_vllm_reads(tmp_path: Path) -> None:
    model = tiny("llama-tiny")
    write_adapter(random_layer(model, rank=4, seed=1, only="layers.0.self_attn.q_proj"), tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert json.loads((tmp_path / "out" / "adapter_config.json").read_text()) == {
        "alpha_pattern": {},
        "base_model_name_or_path": None,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": 8,
        "lora_bias": False,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": 4,
        "rank_pattern": {},
        "target_modules": ["q_proj"],
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": False,
    }
    with safe_open(tmp_path / "out" / "adapter_model.safetensors", framework="pt") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
        assert file.metadata() == {"format": "pt"}
    assert shapes == {
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": [4, 32],
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": [32, 4],
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_peft_loads_the_folder_and_computes_the_same(family: str, tmp_path: Path) -> None:
    model = tiny(family)
    layer = random_layer(model, rank=4, seed=1)
    write_adapter(layer, tmp_path / "out")
    model.adapters.load("ours", tmp_path / "out")
    model.adapters.activate("ours")

    other = tiny(family)
    PeftModel.from_pretrained(other.model, str(tmp_path / "out"))
    assert float((logits(model) - logits(other)).abs().max()) < 1e-5


def test_the_lowest_layer_is_known_without_reading_the_weights(tmp_path: Path) -> None:
    layer = random_layer(tiny("llama-tiny"), rank=4, seed=1)
    upper = LoraWeights(4, 8, *({n: t for n, t in side.items() if layer_number(n) == 1} for side in (layer.a, layer.b)))
    for name, weights in (("all", layer), ("upper", upper)):
        write_adapter(weights, tmp_path / name)
    assert [lowest_layer(tmp_path / name) for name in ("all", "upper")] == [0, 1]
    save_file({}, tmp_path / "upper" / "adapter_model.safetensors")
    for broken in ("upper", "none"):
        with pytest.raises(InvalidAdapter, match="cannot be read"):
            lowest_layer(tmp_path / broken)


def test_peft_puts_nothing_onto_layers_that_have_no_adapter(tmp_path: Path) -> None:
    model = tiny("llama-tiny")
    layer = random_layer(model, rank=4, seed=1)
    upper = LoraWeights(4, 8, *({n: t for n, t in side.items() if layer_number(n) == 1} for side in (layer.a, layer.b)))
    write_adapter(upper, tmp_path / "out")
    PeftModel.from_pretrained(model.model, str(tmp_path / "out"))
    adapted = {name for name, _ in model.model.named_parameters() if "lora_A" in name}
    assert len(adapted) == len(upper.a)
    assert all(".layers.1." in name for name in adapted)


def test_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    model = tiny("llama-tiny")
    layer = random_layer(model, rank=4, seed=1)
    backwards = LoraWeights(4, 8, a=dict(reversed([*layer.a.items()])), b=dict(reversed([*layer.b.items()])))
    for name, weights in (("one", layer), ("two", backwards)):
        write_adapter(weights, tmp_path / name)
    write_adapter(read_adapter(tmp_path / "one"), tmp_path / "again")
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


@pytest.mark.parametrize("family", FAMILIES)
def test_concatenated_stack_computes_what_the_stack_does(family: str, tmp_path: Path) -> None:
    model = tiny(family)
    # the second layer has modules that the others lack
    layers = [
        random_layer(model, rank=4, seed=1, only="q_proj"),
        random_layer(model, rank=3, seed=2),
        random_layer(model, rank=8, seed=3, only="v_proj"),
    ]
    folders = [tmp_path / str(index) for index in range(len(layers))]
    for layer, folder in zip(layers, folders, strict=True):
        write_adapter(layer, folder)
        model.adapters.load(folder.name, folder)
    plain = logits(model)
    model.adapters.activate([folder.name for folder in folders])
    stacked = logits(model)

    assert concatenate(folders, tmp_path / "joined") == 16
    model.adapters.load("joined", tmp_path / "joined")
    model.adapters.activate("joined")
    assert float((logits(model) - stacked).abs().max()) < 1e-4
    assert float((stacked - plain).abs().max()) > 1e-2
    joined = read_adapter(tmp_path / "joined")
    assert all(not a[15:].any() and not joined.b[module][:, 15:].any() for module, a in joined.a.items())


def test_stack_one_deep_is_the_layer_itself(tmp_path: Path) -> None:
    layer = random_layer(tiny("llama-tiny"), rank=5, seed=1)
    write_adapter(layer, tmp_path / "layer")
    assert concatenate([tmp_path / "layer"], tmp_path / "served") == 5
    for file in (tmp_path / "layer").iterdir():
        assert file.read_bytes() == (tmp_path / "served" / file.name).read_bytes()


def test_stack_above_any_servable_rank_is_refused(tmp_path: Path) -> None:
    a, b = {"m": torch.zeros(256, 2)}, {"m": torch.zeros(2, 256)}
    write_adapter(LoraWeights(256, 256, a, b), tmp_path / "layer")
    with pytest.raises(InvalidTraining, match=r"256 \+ 256 \+ 256 = 768 is above 512"):
        concatenate([tmp_path / "layer"] * 3, tmp_path / "served")


def test_update_norm_by_hand() -> None:
    # 2 · [[1], [2]] [[3, 4]] = [[6, 8], [12, 16]], whose norm is √(36 + 64 + 144 + 256)
    layer = LoraWeights(1, 2, a={"m": torch.tensor([[3.0, 4.0]])}, b={"m": torch.tensor([[1.0], [2.0]])})
    assert update_norm(layer) == pytest.approx(500**0.5)
    both = LoraWeights(1, 2, a={**layer.a, "n": layer.a["m"]}, b={**layer.b, "n": layer.b["m"]})
    assert update_norm(both) == pytest.approx(1000**0.5)


def _broken(folder: Path, config: dict[str, Any] | None = None, tensors: dict[str, Any] | None = None) -> Path:
    layer = random_layer(tiny("llama-tiny"), rank=4, seed=1, only="layers.0.self_attn.q_proj")
    write_adapter(layer, folder)
    if config is not None:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    if tensors is not None:
        save_file(tensors, folder / "adapter_model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("message", "config", "tensors"),
    [
        ("use_dora", {"use_dora": True}, None),
        ("rank_pattern", {"rank_pattern": {"q_proj": 2}}, None),
        ("modules_to_save", {"modules_to_save": ["lm_head"]}, None),
        ("peft_type", {"peft_type": "IA3"}, None),
        ("with r = 8", {"r": 8}, None),
        ("r ≥ 1", {"r": "4"}, None),
        ("not base_model", None, {"q_proj.weight": torch.zeros(1)}),
        ("A and B of the same", None, {"base_model.model.m.lora_A.weight": torch.zeros(4, 2)}),
    ],
)
def test_folder_that_would_not_be_applied_as_written_is_refused(
    message: str, config: dict[str, Any] | None, tensors: dict[str, Any] | None, tmp_path: Path
) -> None:
    with pytest.raises(InvalidAdapter, match=message):
        read_adapter(_broken(tmp_path / "adapter", config, tensors))


def test_missing_or_cut_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidAdapter, match="no readable PEFT folder"):
        read_adapter(tmp_path / "nowhere")
    folder = _broken(tmp_path / "adapter")
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(InvalidAdapter, match="no readable PEFT folder"):
        read_adapter(folder)


def test_every_option_of_peft_is_known() -> None:
    """A new release of PEFT may bring an option that changes what an adapter computes."""
    assert {field.name for field in dataclasses.fields(LoraConfig)} - KNOWN_OPTIONS == set()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("alora_invocation_tokens", [1, 2]),
        ("layer_replication", [[0, 2]]),
        ("target_parameters", ["mlp.experts.gate_up_proj"]),
        ("use_bdlora", {"target_modules_bd_a": ["q_proj"]}),
        ("init_lora_weights", "pissa"),
        ("init_lora_weights", "loftq"),
        ("an_option_of_tomorrow", "fast"),
    ],
)
def test_an_option_that_changes_the_result_is_refused(option: str, value: Any, tmp_path: Path) -> None:
    write_adapter(random_layer(tiny("llama-tiny"), rank=4, seed=1), tmp_path)
    _say(tmp_path, option, value)
    with pytest.raises(InvalidAdapter, match=f"has {option} = .*only plain LoRA"):
        read_adapter(tmp_path)


def test_options_that_change_nothing_are_read(tmp_path: Path) -> None:
    write_adapter(random_layer(tiny("llama-tiny"), rank=4, seed=1), tmp_path)
    for field in dataclasses.fields(LoraConfig):
        if field.name not in ("r", "lora_alpha", "peft_type"):
            value: Any = getattr(LoraConfig(), field.name)
            _say(tmp_path, field.name, value if field.name != "runtime_config" else dataclasses.asdict(value))
    for option, value in (("lora_dropout", 0.1), ("an_option_of_tomorrow", None), ("another", {})):
        _say(tmp_path, option, value)
    assert read_adapter(tmp_path).rank == 4


def _say(folder: Path, option: str, value: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {option: value}), encoding="utf-8")
