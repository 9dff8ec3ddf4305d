"""Element-wise parts of a decoder layer, each with its backward pass by hand.

Every function makes as few passes over memory as torch's operators allow: on a CPU in bf16 these passes, not the matrix
products, are what a naive step spends its time on.
"""

import torch
from torch import Tensor
from torch.nn import functional


def statistics_dtype(dtype: torch.dtype) -> torch.dtype:
    """What sums and exponentials are held in: at least fp32."""
    return torch.promote_types(dtype, torch.float32)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """`x` [T, d] divided by the root of its mean square, times `weight` [d].

    Returns:
        The normalised rows in `x`'s dtype, and the reciprocal root [T, 1] for the backward pass.
    """
    # converted once: operators that mix dtypes are several times slower than those that do not
    wide = x.to(statistics_dtype(x.dtype))
    reciprocal = _row_dot(wide, wide).div_(x.shape[-1]).add_(eps).rsqrt_()
    return (wide * reciprocal).to(x.dtype).mul_(weight), reciprocal


def rms_norm_backward(dy: Tensor, x: Tensor, reciprocal: Tensor, weight: Tensor) -> Tensor:
    """Gradient of `rms_norm` with respect to `x` [T, d]; overwrites `dy`."""
    scaled = dy.mul_(weight).to(reciprocal.dtype)
    wide = x.to(reciprocal.dtype)
    towards_x = _row_dot(scaled, wide).mul_(reciprocal.pow(3)).div_(-x.shape[-1])
    return scaled.mul_(reciprocal).addcmul_(wide, towards_x).to(dy.dtype)


def _row_dot(x: Tensor, y: Tensor) -> Tensor:
    """[T, 1] inner products of rows, as a matrix-vector product: torch's own row sums are ten times slower on a CPU."""
    return torch.mv(x * y, x.new_ones(x.shape[-1])).unsqueeze(1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate each pair (i, i + D/2) of `x` [T, heads, D] by the angles of `cos` and `sin` [T, 1, D/2].

    The result is a new tensor in the dtype of the angles.
    """
    x = x.to(cos.dtype)
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    rotated = torch.empty(x.shape, dtype=cos.dtype, device=x.device)
    torch.mul(first, cos, out=rotated[..., :half]).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=rotated[..., half:]).addcmul_(first, sin)
    return rotated


def rotate_backward(dy: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Gradient of `rotate`: the rotation by the opposite angles."""
    return rotate(dy, cos, -sin)


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up."""
    return functional.silu(gate).mul_(up)


def swiglu_backward(dy: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of `swiglu` with respect to `gate` and `up`; overwrites `dy` and `up`."""
    active = functional.silu(gate)
    d_up = active.mul_(dy)
    d_gate = torch.ops.aten.silu_backward(dy.mul_(up), gate)
    return d_gate, d_up
