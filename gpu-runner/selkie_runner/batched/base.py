"""The frozen base as plain tensors: what a packed pass over a Llama or Qwen2 decoder reads.

Nothing of the Hugging Face model is patched or replaced; its weights are shared, so decoding through the model itself
is undisturbed, also while PEFT wraps its linear layers.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InvalidTraining
from .kernels.products import can_pack, packed

#: projections that read the same input are one group: one product with all their A at once
GROUPS = (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",))
QKV, OUT, GATE_UP, DOWN = range(4)

SUPPORTED_MODELS = ("llama", "qwen2")

#: logits held at once
MAX_LOGITS = 2**25

#: some kinds of rotary scaling keep what they computed last, and passes may run side by side
_ROTATING = threading.Lock()


@dataclass(frozen=True)
class Projection:
    """A frozen linear layer: `weight` [out, in], the same as `products.py` packs it or None, `bias` [out] or None."""

    name: str
    weight: Tensor
    packed: Tensor | None
    bias: Tensor | None


@dataclass(frozen=True)
class Layer:
    """One decoder layer; `groups` follows `GROUPS`."""

    input_norm: Tensor
    post_norm: Tensor
    groups: tuple[tuple[Projection, ...], ...]


@dataclass(frozen=True)
class FrozenBase:
    """A decoder's weights and the numbers that shape its pass.

    Attributes:
        embedding: [vocabulary, hidden].
        head: [vocabulary, hidden]; the same tensor as `embedding` where the model ties them.
        packed_head: the same as `products.py` packs it, or None.
        rotary: the model's own module, so that every kind of rotary scaling is exactly the model's.
    """

    embedding: Tensor
    layers: tuple[Layer, ...]
    norm: Tensor
    head: Tensor
    packed_head: Tensor | None
    rotary: nn.Module
    heads: int
    kv_heads: int
    head_dim: int
    eps: float

    @property
    def dtype(self) -> torch.dtype:
        """What the pass computes in."""
        return self.embedding.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.device

    @classmethod
    def share(cls, model: nn.Module, dtype: torch.dtype | None = None) -> "FrozenBase":
        """Share the weights of a `LlamaForCausalLM` or `Qwen2ForCausalLM`.

        Args:
            model: the base; its linear layers may be wrapped by PEFT.
            dtype: what to compute in; another than the model's own costs a copy of the weights.

        Raises:
            InvalidTraining: the architecture or one of its options is not one that this engine computes.
        """
        config: Any = model.config
        _refuse_unsupported(config)
        inner: Any = model.model
        lm_head: Any = model.lm_head

        def cast(tensor: Tensor) -> Tensor:
            return tensor.detach().to(dtype or tensor.dtype)

        embedding = cast(inner.embed_tokens.weight)
        parameters: int = sum(parameter.numel() for parameter in model.parameters())
        packs = can_pack(embedding.dtype, embedding.device, parameters * embedding.element_size())

        def projection(owner: Any, name: str) -> Projection:
            linear = getattr(owner, name)
            linear = getattr(linear, "base_layer", linear)
            weight = cast(linear.weight)
            bias = None if linear.bias is None else cast(linear.bias)
            return Projection(name, weight, packed(weight) if packs else None, bias)

        layers = tuple(
            Layer(
                input_norm=cast(layer.input_layernorm.weight),
                post_norm=cast(layer.post_attention_layernorm.weight),
                groups=tuple(
                    tuple(projection(layer.self_attn if index < GATE_UP else layer.mlp, name) for name in group)
                    for index, group in enumerate(GROUPS)
                ),
            )
            for layer in inner.layers
        )
        head = embedding if lm_head.weight is inner.embed_tokens.weight else cast(lm_head.weight)
        return cls(
            embedding=embedding,
            layers=layers,
            norm=cast(inner.norm.weight),
            head=head,
            packed_head=packed(head) if packs else None,
            rotary=inner.rotary_emb,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_dim=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
            eps=config.rms_norm_eps,
        )

    def projections(self) -> Iterator[tuple[int, int, Projection]]:
        """Every linear layer as (layer, group, projection), in the order of the pass."""
        for index, layer in enumerate(self.layers):
            for group, projections in enumerate(layer.groups):
                for projection in projections:
                    yield index, group, projection

    def rotation(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosine and sine of the rotary angles, each [T, 1, head_dim / 2], for `positions` [T]."""
        like = torch.empty((), dtype=dtype, device=self.device)
        with _ROTATING:
            cos, sin = self.rotary(like, positions[None])
        half = self.head_dim // 2
        return cos[0, :, None, :half].contiguous(), sin[0, :, None, :half].contiguous()


def module_name(layer: int, name: str) -> str:
    """The projection's name inside the Hugging Face model, which PEFT keys and seeds are made of."""
    owner = "self_attn" if name in (*GROUPS[QKV], *GROUPS[OUT]) else "mlp"
    return f"model.layers.{layer}.{owner}.{name}"


def _refuse_unsupported(config: Any) -> None:
    problems: list[str] = []
    if config.model_type not in SUPPORTED_MODELS:
        problems.append(f"architecture {config.model_type!r} (supported: {', '.join(SUPPORTED_MODELS)})")
    if config.hidden_act != "silu":
        problems.append(f"activation {config.hidden_act!r} (supported: 'silu')")
    if getattr(config, "attention_dropout", 0.0):
        problems.append("attention dropout")
    if getattr(config, "use_sliding_window", False):
        problems.append("sliding-window attention")
    if problems:
        raise InvalidTraining(f"the batched engine cannot compute {', '.join(problems)}; use the solo engine")
