"""Products with frozen weights, which a CPU holds a second time in the order in which its library reads them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ...hardware import available_bytes, has_fast_bf16

#: a base is packed where it takes at most 1/N of the free memory
_PACKED_SHARE = 8


@dataclass(frozen=True)
class Projection:
    """A frozen linear layer.

    Attributes:
        module: its name inside the Hugging Face model, which PEFT's keys and the seeds of A are made of.
        weight: [out, in].
        packed: the same in oneDNN's order, or None.
        bias: [out] or None.
    """

    module: str
    weight: Tensor
    packed: Tensor | None
    bias: Tensor | None

    @property
    def name(self) -> str:
        """Its name inside its layer, such as `q_proj`."""
        return self.module.rpartition(".")[2]


def can_pack(dtype: torch.dtype, device: torch.device, base_bytes: int) -> bool:
    """Whether packed weights are faster here, and small relative to the free memory."""
    fast = dtype == torch.float32 or (dtype == torch.bfloat16 and has_fast_bf16(device))
    usable = device.type == "cpu" and torch.backends.mkldnn.is_available() and fast
    return usable and base_bytes * _PACKED_SHARE <= available_bytes(device)


def packed(weight: Tensor) -> Tensor:
    """`weight` [out, in] in oneDNN's own order, which the library would otherwise produce for every product."""
    return torch.ops.mkldnn._reorder_linear_weight(weight)


def times_transposed(x: Tensor, weight: Tensor, packed: Tensor | None, bias: Tensor | None = None) -> Tensor:
    """`x` [T, in] times the transpose of `weight` [out, in], plus `bias` [out]: [T, out]."""
    if packed is None or not x.shape[0]:
        return functional.linear(x, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
