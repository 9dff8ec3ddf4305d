"""The frozen bases that are trained on: random weights in the shape of a real model, or a real one of the registry.

What a step costs does not depend on the weights' values, so that nothing has to be downloaded.
"""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from zlib import crc32

import torch
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
)

from ..errors import ModelNotFound
from ..models.loading import LoadedModel, load_model
from ..models.registry import load_registry
from ..models.spec import Dtype

SMOLLM2 = "smollm2-135m"
#: the registry's name of the model whose tokenizer cuts the text for `SMOLLM2`
_SMOLLM2_MODEL = "smollm2-135m-instruct"

_CHARACTERS_PER_TOKEN = 4.4


def _llama(**sizes: Any) -> PretrainedConfig:
    return LlamaConfig(rms_norm_eps=1e-5, max_position_embeddings=8192, tie_word_embeddings=True, **sizes)


def _qwen2(**sizes: Any) -> PretrainedConfig:
    return Qwen2Config(rms_norm_eps=1e-6, max_position_embeddings=8192, **sizes)


_LAYERS = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads")


def _sizes(vocabulary: int, hidden: int, intermediate: int, *layers: int) -> dict[str, int]:
    sizes = {"vocab_size": vocabulary, "hidden_size": hidden, "intermediate_size": intermediate}
    return sizes | dict(zip(_LAYERS, layers, strict=True))


SHAPES: dict[str, PretrainedConfig] = {
    SMOLLM2: _llama(**_sizes(49152, 576, 1536, 30, 9, 3)),
    "0.5b": _qwen2(tie_word_embeddings=True, **_sizes(151936, 896, 4864, 24, 14, 2)),
    "7b": _qwen2(tie_word_embeddings=False, **_sizes(152064, 3584, 18944, 28, 28, 4)),
    # for tests: every part in a second
    "tiny": _qwen2(tie_word_embeddings=True, **_sizes(512, 32, 64, 2, 4, 2)),
}


def random_base(
    shape: str, device: torch.device, dtype: torch.dtype, tokenizer: PreTrainedTokenizerBase | None = None
) -> LoadedModel:
    """A base of one of `SHAPES` with random weights, made on the device itself.

    Args:
        tokenizer: cuts the jobs' text; by default a stand-in that makes about as many tokens as a real one.
    """
    config = SHAPES[shape]
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        model = cast(PreTrainedModel, AutoModelForCausalLM.from_config(config, dtype=dtype))
    model.requires_grad_(False).eval()
    stand_in = cast(PreTrainedTokenizerBase, StandInTokenizer(cast(Any, config).vocab_size))
    return LoadedModel(
        name=f"{shape} with random weights",
        digest=f"random {shape} {'stand-in' if tokenizer is None else 'real'}",
        model=model,
        tokenizer=tokenizer or stand_in,
        device=device,
        dtype=dtype,
        chat=False,
        max_length=8192,
        path=Path(),
    )


def real_base(
    name: str, registry: Path | None, cache: Path, device: torch.device, dtype: Dtype = "float32"
) -> LoadedModel:
    """A model of the registry, in another dtype than the registry's.

    Raises:
        ModelNotFound: there is none of that name, or its source is not on this machine.
    """
    specs = load_registry(registry)
    if name not in specs:
        raise ModelNotFound(f"the registry has no model {name!r}; it has {', '.join(specs)}")
    return load_model(replace(specs[name], dtype=dtype), cache, str(device))


def smollm2_tokenizer(cache: Path) -> PreTrainedTokenizerBase | None:
    """SmolLM2's own tokenizer; None where its package, or the one that reads it, is not installed."""
    try:
        return real_base(_SMOLLM2_MODEL, None, cache, torch.device("cpu")).tokenizer
    except ModelNotFound:
        return None


class StandInTokenizer:
    """Cuts text every few characters, into about as many tokens as a real tokenizer: for bases that have none."""

    eos_token_id = 0

    def __init__(self, vocabulary: int) -> None:
        self._vocabulary = vocabulary

    def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
        count = math.ceil(len(text) / _CHARACTERS_PER_TOKEN)
        cuts = [round(i * _CHARACTERS_PER_TOKEN) for i in range(count + 1)]
        pieces = (text[start:end] for start, end in pairwise(cuts))
        return {"input_ids": [1 + crc32(piece.encode()) % (self._vocabulary - 1) for piece in pieces]}
