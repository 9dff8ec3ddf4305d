"""The model families, as data: which ops a decoder layer has, and which parameters of Hugging Face's each op reads.

A new family is an entry of `FAMILIES`, and an op where it computes what no other family does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...errors import InvalidTraining
from ..kernels.products import Projection, packed
from .layer import Layer, Residual
from .ops import Attention, HeadNorm, Norm, Op, Project, SwiGlu


@dataclass(frozen=True)
class Sizes:
    """The numbers that shape a model's layers."""

    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    eps: float

    @classmethod
    def of(cls, config: Any) -> "Sizes":
        """Read them from a Hugging Face config."""
        heads: int = config.num_attention_heads
        return cls(
            heads=heads,
            kv_heads=config.num_key_value_heads,
            head_dim=getattr(config, "head_dim", None) or config.hidden_size // heads,
            intermediate=config.intermediate_size,
            eps=config.rms_norm_eps,
        )


@dataclass(frozen=True)
class LayerSource:
    """One decoder layer of a Hugging Face model, whose linear layers may be wrapped by PEFT.

    Attributes:
        dtype: what the layer computes in.
        packs: whether projections are also held as `products.py` packs them.
    """

    index: int
    module: nn.Module
    sizes: Sizes
    dtype: torch.dtype
    packs: bool

    def weight(self, name: str) -> Tensor:
        """The weight of a submodule."""
        return self.module.get_parameter(f"{name}.weight").detach().to(self.dtype)

    def projection(self, name: str) -> Projection:
        """A linear submodule."""
        linear = self.module.get_submodule(name)
        linear = cast(nn.Linear, getattr(linear, "base_layer", linear))
        weight = linear.weight.detach().to(self.dtype)
        # without biases torch has None here, which its stubs do not tell
        bias = cast(Tensor | None, linear.bias)
        return Projection(
            module=f"model.layers.{self.index}.{name}",
            weight=weight,
            packed=packed(weight) if self.packs else None,
            bias=None if bias is None else bias.detach().to(self.dtype),
        )


#: makes an op of a layer; the number is that of the layer's next group of projections
Bind = Callable[[LayerSource, int], Op]
Family = tuple[tuple[Bind, ...], ...]


def _norm(name: str) -> Bind:
    return lambda source, _: Norm(source.weight(name), source.sizes.eps)


def _head_norm(q_name: str, k_name: str) -> Bind:
    def bind(source: LayerSource, _: int) -> HeadNorm:
        sizes = source.sizes
        return HeadNorm(source.weight(q_name), source.weight(k_name), sizes.eps, sizes.heads, sizes.kv_heads)

    return bind


def _project(*names: str) -> Bind:
    return lambda source, group: Project((source.index, group), tuple(source.projection(name) for name in names))


def _attention(source: LayerSource, _: int) -> Attention:
    sizes = source.sizes
    return Attention(source.index, sizes.heads, sizes.kv_heads, sizes.head_dim)


def _swiglu(source: LayerSource, _: int) -> SwiGlu:
    return SwiGlu(source.sizes.intermediate)


_QKV = _project("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_OUT = _project("self_attn.o_proj")
_ATTENTION = (_norm("input_layernorm"), _QKV, _attention, _OUT)
_HEAD_NORM_ATTENTION = (
    _norm("input_layernorm"),
    _QKV,
    _head_norm("self_attn.q_norm", "self_attn.k_norm"),
    _attention,
    _OUT,
)
_GATED_MLP = (
    _norm("post_attention_layernorm"),
    _project("mlp.gate_proj", "mlp.up_proj"),
    _swiglu,
    _project("mlp.down_proj"),
)

#: by the model type of Hugging Face's config; a projection has a bias where the model has one
FAMILIES: dict[str, Family] = {
    "llama": (_ATTENTION, _GATED_MLP),
    "mistral": (_ATTENTION, _GATED_MLP),
    "qwen2": (_ATTENTION, _GATED_MLP),
    "qwen3": (_HEAD_NORM_ATTENTION, _GATED_MLP),
}


#: their frequencies follow the longest row of a pass (transformers, `dynamic_rope_update`)
_ROPE_OF_THE_PACK = ("dynamic", "longrope")


def bind_layer(family: Family, source: LayerSource) -> Layer:
    """The layer of a family, with the parameters of `source`."""
    residuals: list[Residual] = []
    group = 0
    for binds in family:
        ops: list[Op] = []
        for bind in binds:
            op = bind(source, group)
            group += op.adapted
            ops.append(op)
        residuals.append(Residual(tuple(ops)))
    return Layer(tuple(residuals))


def family_of(config: Any) -> Family:
    """The family of a Hugging Face model.

    Raises:
        InvalidTraining: the architecture or one of its options is not one that this engine computes.
    """
    if config.model_type not in FAMILIES:
        raise _refused([f"architecture {config.model_type!r} (supported: {', '.join(FAMILIES)})"])
    problems: list[str] = []
    if (activation := getattr(config, "hidden_act", None)) != "silu":
        problems.append(f"activation {activation!r} (supported: 'silu')")
    if getattr(config, "attention_dropout", 0.0):
        problems.append("attention dropout")
    if getattr(config, "sliding_window", None) is not None:
        problems.append("sliding-window attention")
    rope: dict[str, Any] = getattr(config, "rope_parameters", None) or {}
    if (kind := rope.get("rope_type", "default")) in _ROPE_OF_THE_PACK:
        problems.append(f"{kind} RoPE, in which a row's angles depend on its neighbours")
    if (rotated := rope.get("partial_rotary_factor", 1.0)) != 1.0:
        problems.append(f"RoPE on a part of each head ({rotated})")
    if problems:
        raise _refused(problems)
    return FAMILIES[config.model_type]


def _refused(problems: list[str]) -> InvalidTraining:
    return InvalidTraining(f"the batched engine cannot compute {', '.join(problems)}; use the solo engine")
