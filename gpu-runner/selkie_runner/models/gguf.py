"""Import of a GGUF file as an ordinary Hugging Face folder: dense fp32 safetensors and a tokenizer."""

from pathlib import Path
from typing import cast

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedModel, PreTrainedTokenizerFast

from ..errors import ModelNotFound

_ID_KEYS = {"bos": "bos", "eos": "eos", "pad": "padding"}


def save_gguf_as_safetensors(file: Path, out: Path) -> None:
    """Dequantise `file` and write model and tokenizer into the folder `out`.

    Raises:
        ModelNotFound: the `gguf` package is missing.
    """
    try:
        from gguf import GGUFReader  # noqa: PLC0415 -- an optional dependency, needed once per model
    except ImportError as error:
        raise ModelNotFound(f"reading {file.name} needs the package gguf; try: pip install gguf") from error
    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        # without it the dense weights stay marked as quantized, and much of transformers refuses to train them
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
    )
    tokenizer = cast(PreTrainedTokenizerFast, AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name))
    fields = GGUFReader(file).fields
    for ours, theirs in _ID_KEYS.items():
        # transformers 5.17 takes another end token than the file's
        field = fields.get(f"tokenizer.ggml.{theirs}_token_id")
        if field is not None:
            setattr(tokenizer, f"{ours}_token", tokenizer.convert_ids_to_tokens(int(field.contents())))
    kind = fields.get("tokenizer.ggml.pre")
    if kind is not None and kind.contents() == "smollm":
        # transformers knows no "smollm" and takes GPT-2's split, which keeps digits together
        split = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split)  # pyright: ignore[reportAttributeAccessIssue]
    cast(PreTrainedModel, model).save_pretrained(out)
    tokenizer.save_pretrained(out)
