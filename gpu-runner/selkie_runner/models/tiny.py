"""Tiny models with random weights and a byte-level tokenizer: real parts, for tests of the machinery in seconds.

They know nothing. The same name gives the same bits wherever the same torch runs. `llama-words` writes lines of
invented words where the others write random bytes, so that its proposals can be parsed and trained on.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
    # larger than usual: outputs that differ clearly between tokens make faults visible
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}


@dataclass(frozen=True)
class _Tiny:
    """A tiny model.

    Attributes:
        drawn: parameters that transformers starts at a constant, which would hide their part: drawn around it.
    """

    config: Callable[..., PretrainedConfig]
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    drawn: tuple[str, ...] = ()
    words: bool = False


_MODELS = {
    "llama-tiny": _Tiny(LlamaConfig),
    "llama-words": _Tiny(LlamaConfig, words=True),
    "mistral-tiny": _Tiny(MistralConfig, {"sliding_window": None}, drawn=("norm.weight",)),
    "qwen2-tiny": _Tiny(Qwen2Config, drawn=("proj.bias",)),
    # heads wider than hidden / heads, as in the published models
    "qwen3-tiny": _Tiny(Qwen3Config, {"head_dim": 16}, drawn=("norm.weight",)),
}
FAMILIES = tuple(_MODELS)


def save_tiny_model(family: str, out: Path) -> None:
    """Write the model and the tokenizer of one of `FAMILIES` into the folder `out`."""
    tiny = _MODELS[family]
    tokenizer = _tokenizer(_words() if tiny.words else [])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = tiny.config(vocab_size=len(tokenizer), **_SIZES, **tiny.options)
        model = cast(PreTrainedModel, AutoModelForCausalLM.from_config(config))
        for name, parameter in model.named_parameters():
            if name.endswith(tiny.drawn):
                with torch.no_grad():
                    parameter.add_(torch.empty_like(parameter).normal_(std=0.2))
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def _words() -> list[str]:
    """Words far more numerous than the bytes, so that random sampling meets little else; every eighth ends its line."""
    syllables = ["ba", "de", "fi", "go", "hu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo"]
    words = (f" {first}{second}{third}" for first, second, third in product(syllables, repeat=3))
    return [f"{word}.\n" if index % 8 == 0 else word for index, word in enumerate(words)]


def _tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*_SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in words])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=_SPECIAL[1], eos_token=_SPECIAL[2], pad_token=_SPECIAL[2]
    )
    fast.chat_template = _TEMPLATE
    return fast
