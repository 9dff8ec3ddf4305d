"""The frozen base as plain tensors: what a packed pass over a decoder reads.

Nothing of the Hugging Face model is patched or replaced. Its weights are shared, so decoding through the model itself
is undisturbed, also while PEFT wraps its linear layers.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .kernels.elementwise import statistics_dtype
from .kernels.products import Projection, can_pack, packed
from .layers.families import LayerSource, Sizes, bind_layer, family_of
from .layers.layer import Layer
from .layers.ops import Norm

#: logits held at once
MAX_LOGITS = 2**25

#: some kinds of rotary scaling keep state between calls, and passes run in parallel
_ROTATING = threading.Lock()


@dataclass(frozen=True)
class FrozenBase:
    """A decoder's weights.

    Attributes:
        embedding: [vocabulary, hidden].
        norm: of the last layer's output.
        head: [vocabulary, hidden]; the same tensor as `embedding` where the model ties them.
        packed_head: the same as `products.py` packs it, or None.
        rotary: the model's own module, so that every kind of rotary scaling is exactly the model's.
    """

    embedding: Tensor
    layers: tuple[Layer, ...]
    norm: Norm
    head: Tensor
    packed_head: Tensor | None
    rotary: nn.Module
    sizes: Sizes

    @property
    def dtype(self) -> torch.dtype:
        """What a pass computes in."""
        return self.embedding.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.device

    @property
    def heads(self) -> int:
        return self.sizes.heads

    @property
    def kv_heads(self) -> int:
        return self.sizes.kv_heads

    @property
    def head_dim(self) -> int:
        return self.sizes.head_dim

    @classmethod
    def share(cls, model: nn.Module, dtype: torch.dtype | None = None) -> "FrozenBase":
        """Share the weights of a Hugging Face causal language model of one of `families.FAMILIES`.

        Args:
            model: the base; its linear layers may be wrapped by PEFT.
            dtype: what to compute in; another than the model's own costs a copy of the weights.

        Raises:
            InvalidTraining: the architecture or one of its options is not one that this engine computes.
        """
        config: Any = model.config
        family, sizes = family_of(config), Sizes.of(config)
        inner: Any = model.model
        lm_head: Any = model.lm_head
        embedding: Tensor = inner.embed_tokens.weight.detach()
        embedding = embedding.to(dtype or embedding.dtype)
        dtype = embedding.dtype
        parameters: int = sum(parameter.numel() for parameter in model.parameters())
        packs = can_pack(dtype, embedding.device, parameters * embedding.element_size())
        head = embedding if lm_head.weight is inner.embed_tokens.weight else lm_head.weight.detach().to(dtype)
        sources = (LayerSource(index, module, sizes, dtype, packs) for index, module in enumerate(inner.layers))
        return cls(
            embedding=embedding,
            layers=tuple(bind_layer(family, source) for source in sources),
            norm=Norm(inner.norm.weight.detach().to(dtype), sizes.eps),
            head=head,
            packed_head=packed(head) if packs else None,
            rotary=inner.rotary_emb,
            sizes=sizes,
        )

    def projections(self) -> Iterator[Projection]:
        """Every linear layer but the head, in the order of the pass."""
        for layer in self.layers:
            for group in layer.groups:
                yield from group

    def embed(self, ids: Tensor) -> Tensor:
        """The hidden states [T, hidden] of token ids [T]."""
        return self.embedding.index_select(0, ids)

    def rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine of the rotary angles, each [T, 1, head_dim / 2] in at least fp32, for `positions` [T]."""
        like = torch.empty((), dtype=statistics_dtype(self.dtype), device=self.device)
        with _ROTATING:
            cos, sin = self.rotary(like, positions[None])
        half = self.head_dim // 2
        return cos[0, :, None, :half].contiguous(), sin[0, :, None, :half].contiguous()
