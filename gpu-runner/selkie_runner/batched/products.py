"""Products with frozen weights, in the order that the device's library is fast at."""

import torch
from torch import Tensor
from torch.nn import functional

#: up to so many rows the other order pays in fp32 on a CPU, where a weight has at least so many outputs
_OTHER_ORDER = ((64, 16_384), (32, 0))


def times_transposed(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x` [T, in] times the transpose of `weight` [out, in], plus `bias` [out]: [T, out].

    With few rows a CPU's library takes up to 1.5 times as long over x Wᵀ as over W xᵀ.
    """
    rows, outputs = x.shape[0], weight.shape[0]
    if (
        x.dtype != torch.float32
        or x.device.type != "cpu"
        or not any(rows <= most and outputs >= least for most, least in _OTHER_ORDER)
    ):
        return functional.linear(x, weight, bias)
    product = (weight @ x.T).T.contiguous()
    return product if bias is None else product.add_(bias)
