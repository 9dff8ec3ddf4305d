"""Products with frozen weights, which a CPU keeps once more in the order in which its library reads them."""

import torch
from torch import Tensor
from torch.nn import functional

from ...hardware import available_bytes, has_fast_bf16

#: of what is free, for the second copy of a base
_PACKED_SHARE = 8


def can_pack(dtype: torch.dtype, device: torch.device, base_bytes: int) -> bool:
    """Whether packed weights are faster here, and small beside what is free."""
    fast = dtype == torch.float32 or (dtype == torch.bfloat16 and has_fast_bf16(device))
    usable = device.type == "cpu" and torch.backends.mkldnn.is_available() and fast
    return usable and base_bytes * _PACKED_SHARE <= available_bytes(device)


def packed(weight: Tensor) -> Tensor:
    """`weight` [out, in] in oneDNN's own order, into which it would else be brought for every product."""
    return torch.ops.mkldnn._reorder_linear_weight(weight)


def times_transposed(x: Tensor, weight: Tensor, packed: Tensor | None, bias: Tensor | None = None) -> Tensor:
    """`x` [T, in] times the transpose of `weight` [out, in], plus `bias` [out]: [T, out]."""
    if packed is None or not x.shape[0]:
        return functional.linear(x, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
