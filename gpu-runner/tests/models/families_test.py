"""Every family of the table in `docs/models.md`: it computes, or it is refused by name."""

import dataclasses
import json
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from transformers import AutoModelForCausalLM, PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from batched.training.trainer_test import largest_difference
from selkie_runner.batched import BatchedTrainer
from selkie_runner.errors import UnsupportedModel
from selkie_runner.models.loading import LoadedModel, load_model
from selkie_runner.models.spec import ModelSpec
from selkie_runner.models.tiny import save_tiny_model
from selkie_runner.reference.decoding import decode
from selkie_runner.reference.trainer import train_solo
from selkie_runner.rows.rows import DecodedRow, DecodeRow
from selkie_runner.service.device.loop import DeviceLoop
from selkie_runner.service.torch_runner import TorchRunner, assemble
from selkie_runner.store.artifacts import ArtifactStore
from support.batched import checkpoint_of, run_all, solo, true_fp64
from support.engine import finish, job

Support = Literal["batched", "one at a time", "refused"]

TABLE = Path(__file__).parents[3] / "docs" / "models.md"
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "pad_token_id": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LINEAR_ROPE = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
    "rope_theta": 10000.0,
}
YARN_ROPE = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 10000.0}
DYNAMIC_ROPE = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}
LONG_ROPE = {
    "rope_type": "longrope",
    "short_factor": [1.0] * 4,
    "long_factor": [2.0] * 4,
    "factor": 4.0,
    "original_max_position_embeddings": 64,
    "rope_theta": 10000.0,
}
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        told: what the runner says of it, in its log, in `/health` and in the error that refuses it.
    """

    name: str
    model_type: str
    support: Support
    told: str = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


CASES = [
    Case("Llama, SmolLM2, TinyLlama, Vicuna", "llama", "batched"),
    Case("Llama with biases", "llama", "batched", options={"attention_bias": True, "mlp_bias": True}),
    Case("Llama with tied embeddings", "llama", "batched", options={"tie_word_embeddings": True}),
    Case("Llama with linear RoPE scaling", "llama", "batched", options={"rope_parameters": LINEAR_ROPE}),
    Case("Llama 3 RoPE scaling", "llama", "batched", options={"rope_parameters": LLAMA3_ROPE}),
    Case("Llama with YaRN", "llama", "batched", options={"rope_parameters": YARN_ROPE}),
    Case("Llama with multi-query attention", "llama", "batched", options={"num_key_value_heads": 1}),
    Case("Llama with one key per query head", "llama", "batched", options={"num_key_value_heads": 4}),
    Case("Llama with dynamic RoPE", "llama", "one at a time", "dynamic RoPE", {"rope_parameters": DYNAMIC_ROPE}),
    Case("Llama with LongRoPE", "llama", "one at a time", "longrope RoPE", {"rope_parameters": LONG_ROPE}),
    Case("Mistral", "mistral", "batched", options={"sliding_window": None}),
    Case("Mistral with a window", "mistral", "one at a time", "sliding-window", {"sliding_window": 64}),
    Case("Qwen2, Qwen2.5", "qwen2", "batched"),
    Case("Qwen3", "qwen3", "batched", options={"head_dim": 16}),
    Case("Qwen3 MoE", "qwen3_moe", "one at a time", "its experts get no adapters", EXPERTS),
    Case("Mixtral", "mixtral", "one at a time", "its experts get no adapters", EXPERTS),
    Case("Gemma", "gemma", "one at a time", "architecture 'gemma'"),
    Case("Gemma 2", "gemma2", "one at a time", "architecture 'gemma2'"),
    Case("Gemma 3, text", "gemma3_text", "one at a time", "architecture 'gemma3_text'"),
    Case("Phi-3", "phi3", "one at a time", "architecture 'phi3'"),
    Case("OLMo 2", "olmo2", "one at a time", "architecture 'olmo2'"),
    Case("Falcon", "falcon", "one at a time", "lossOnPadding reference alone", {"head_dim": None}),
    Case("Gemma 3 with images", "gemma3", "refused", "it reads more than text"),
    Case("Mistral 3 with images", "mistral3", "refused", "it reads more than text"),
    Case("Qwen2.5-VL", "qwen2_5_vl", "refused", "it reads more than text"),
    Case("GPT-2", "gpt2", "refused", "not linear modules"),
    Case("T5", "t5", "refused", "an encoder and decoder"),
    Case(
        "GPTQ, AWQ, FP8 and other quantised weights",
        "llama",
        "refused",
        "quantised (gptq); name the model in bfloat16",
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
    ),
]


def folder_of(case: Case, folder: Path) -> Path:
    """A model folder with a real config; with weights where they are read."""
    save_tiny_model("llama-tiny", folder)
    (folder / "model.safetensors").unlink()
    (folder / "generation_config.json").unlink(missing_ok=True)
    given: dict[str, Any] = (
        {**SIZES, "vocab_size": 259, **case.options} if case.support != "refused" or case.options else {}
    )
    kind: Any = CONFIG_MAPPING[case.model_type]
    config: PretrainedConfig = kind(
        **{name: value for name, value in given.items() if value is not None or name == "sliding_window"}
    )
    if case.support != "refused":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    config.save_pretrained(folder)
    return folder


def load(case: Case, folder: Path) -> LoadedModel:
    source = f"hf:{folder_of(case, folder / 'model')}"
    return load_model(ModelSpec("mine", source, chat=True, dtype="float32", max_length=256), folder / "cache", "cpu")


@contextmanager
def assembled(model: LoadedModel, folder: Path) -> Generator[TorchRunner]:
    device = DeviceLoop().start()
    try:
        yield assemble(model, device, ArtifactStore(folder / "store"))
    finally:
        device.stop()


def answers(model: LoadedModel, *prompts: str) -> list[list[int]]:
    """Greedy answers, all prompts in one batch."""
    rows = [DecodeRow(tuple(model.tokenizer(prompt)["input_ids"]), max_tokens=4) for prompt in prompts]
    found: dict[int, list[int]] = {}
    for done in decode(model.model, model.tokenizer, rows, activate=lambda: None):
        for position, answered in done:
            assert isinstance(answered, DecodedRow)
            found[position] = answered.tokens
    return [found[position] for position in range(len(rows))]


@pytest.mark.parametrize("case", [case for case in CASES if case.support != "refused"], ids=lambda case: case.name)
def test_a_supported_family_is_assembled_trained_and_answers(case: Case, tmp_path: Path) -> None:
    model = load(case, tmp_path)
    with assembled(model, tmp_path) as runner:
        assert (runner.base is not None) == (case.support == "batched")
        assert case.told in "; ".join(runner.model.limits)
        assert bool(runner.model.limits) == bool(case.told)
    padding = "mask" if model.packs_rows else "reference"
    trained, _ = finish(train_solo(model, job(tmp_path, epochs=1, loss_on_padding=padding), tmp_path / "work", 0))
    assert trained.update_norm > 0
    model.adapters.load("trained", trained.served_dir)
    model.adapters.activate("trained")
    short, long = "The selkie", "A seal came home to the sea, and"
    assert answers(model, short, long) == [*answers(model, short), *answers(model, long)]


@pytest.mark.parametrize("case", [case for case in CASES if case.support == "batched"], ids=lambda case: case.name)
def test_a_batched_family_trains_equally_in_both_engines(case: Case, tmp_path: Path) -> None:
    with true_fp64():
        model = load(case, tmp_path)
        model = dataclasses.replace(model, model=model.model.double(), dtype=torch.float64)
        training = job(tmp_path, epochs=2)
        (handle,) = run_all(BatchedTrainer(model), [training], tmp_path / "batched")
        oracle = solo(model, training, tmp_path / "solo")
        assert handle.future.result().final_loss == pytest.approx(oracle.final_loss, rel=1e-9)
        assert largest_difference(checkpoint_of(handle.work_dir), checkpoint_of(tmp_path / "solo")) < 1e-8


@pytest.mark.parametrize("case", [case for case in CASES if case.support == "refused"], ids=lambda case: case.name)
def test_a_refused_family_is_refused_by_name_before_its_weights_are_read(case: Case, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=re.escape(case.told)) as refused:
        load(case, tmp_path)
    assert case.model_type in str(refused.value)
    assert not [*(tmp_path / "model").glob("*.safetensors")]


def test_code_of_the_model_is_never_run(tmp_path: Path) -> None:
    folder = folder_of(CASES[0], tmp_path)
    own = {"auto_map": {"AutoConfig": "own.Config"}, "model_type": "own"}
    (folder / "config.json").write_text(json.dumps(own), encoding="utf-8")
    with pytest.raises(UnsupportedModel, match="transformers cannot read its config"):
        load_model(ModelSpec("mine", f"hf:{folder}", chat=True, dtype="float32", max_length=64), tmp_path / "c", "cpu")


def test_more_tokens_than_the_model_has_positions_are_refused(tmp_path: Path) -> None:
    folder = folder_of(CASES[0], tmp_path)
    with pytest.raises(UnsupportedModel, match="maxLength is 513, and it has 512 positions"):
        load_model(ModelSpec("mine", f"hf:{folder}", chat=True, dtype="float32", max_length=513), tmp_path / "c", "cpu")


def test_the_documents_have_the_table() -> None:
    rows = re.findall(r"^\| ([^|]+?) +\| `([a-z0-9_]+)` +\| ([^|]+?) +\|", TABLE.read_text(encoding="utf-8"), re.M)
    assert rows == [(case.name, case.model_type, case.support) for case in CASES]
