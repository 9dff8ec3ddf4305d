"""What this runner refuses to load, and what it can do less with, both read from a Hugging Face config alone."""

from typing import Any, cast

from transformers import PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from ..errors import UnsupportedModel
from .spec import ModelSpec

_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
#: families whose layers are no `nn.Linear`
_WITHOUT_LINEAR = ("gpt2", "openai-gpt", "gpt_bigcode", "imagegpt")


def check_supported(spec: ModelSpec, config: PretrainedConfig) -> None:
    """Refuse a model before its weights are read.

    Raises:
        UnsupportedModel: what is wrong with it, and what to do.
    """
    if problem := _problem(spec, config):
        raise UnsupportedModel(f"{spec.name} ({config.model_type}) cannot be used: {problem}")


def limits_of(config: PretrainedConfig) -> tuple[str, ...]:
    """What adapters of this model leave out."""
    if any(getattr(config, name, None) for name in _EXPERTS):
        return ("its experts get no adapters: all-linear means the attention's projections alone",)
    return ()


def _problem(spec: ModelSpec, config: PretrainedConfig) -> str | None:
    quantization: Any = getattr(config, "quantization_config", None)
    positions: int | None = getattr(config, "max_position_embeddings", None)
    problems = (
        (config.is_encoder_decoder, "it is an encoder and decoder; name a causal language model"),
        (
            config.get_text_config() is not config,
            "it reads more than text; name a model of text alone, such as the language model inside it",
        ),
        (
            config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
            "transformers has no causal language model of this type",
        ),
        (config.model_type in _WITHOUT_LINEAR, "its layers are not linear modules, so no adapter fits them"),
        (
            quantization is not None,
            f"its weights are quantised ({_method(quantization)}); name the model in bfloat16, float16 or float32",
        ),
        (
            positions is not None and spec.max_length > positions,
            f"maxLength is {spec.max_length}, and it has {positions} positions; lower maxLength in the registry",
        ),
    )
    return next((told for wrong, told in problems if wrong), None)


def _method(quantization: Any) -> str:
    if isinstance(quantization, dict):
        return str(cast(dict[str, Any], quantization).get("quant_method"))
    method: Any = getattr(quantization, "quant_method", None)
    return str(getattr(method, "value", method))
