"""The ops that decoder layers are made of. Each has its forward pass, its backward pass by hand, and inference.

An op maps a list of packed tensors [T, width] to another. A frozen base needs gradients of activations only, and the
passes are short enough to write out; that saves what autograd would keep and convert.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..kernels.attention import RECOMPUTE_ABOVE, attend, attend_backward
from ..kernels.cached_attention import attend_cached, write_cached
from ..kernels.elementwise import rms_norm, rms_norm_backward, rotate, rotate_backward, swiglu, swiglu_backward
from ..kernels.products import Projection
from .linear import Key, project, project_backward
from .passes import InferencePass, Pass, TrainingPass

#: Maps the gradients of an op's outputs, which it may overwrite, to those of its inputs. Called once. With its second
#: argument, `need_dx`, false, an adapted op computes only its adapters' gradients and returns none.
Backward = Callable[[list[Tensor], bool], list[Tensor]]


class Op(ABC):
    """One op of one layer, with the parameters it reads."""

    #: whether adapters are trained on it
    adapted: ClassVar[bool] = False

    @abstractmethod
    def forward(self, inputs: list[Tensor], step: TrainingPass) -> tuple[list[Tensor], Backward]:
        """The outputs, fresh tensors, and the backward pass; which holds what it needs of this one."""

    @abstractmethod
    def infer(self, inputs: list[Tensor], step: InferencePass) -> list[Tensor]:
        """The outputs of a pass that nothing is trained in."""

    @abstractmethod
    def saved_bytes(self, keys: int, narrow: int, wide: int) -> int:
        """Bytes per token of a row with `keys` keys that `forward` holds.

        An element has `narrow` bytes in the pass, `wide` in statistics.
        """


class TokenwiseOp(Op):
    """An op that reads no other token, so that training and inference compute the same."""

    @abstractmethod
    def forward(self, inputs: list[Tensor], step: Pass) -> tuple[list[Tensor], Backward]: ...

    def infer(self, inputs: list[Tensor], step: InferencePass) -> list[Tensor]:
        return self.forward(inputs, step)[0]


@dataclass(frozen=True)
class Norm(TokenwiseOp):
    """RMS norm of the hidden states, with `weight` [hidden]."""

    weight: Tensor
    eps: float

    def forward(self, inputs: list[Tensor], step: Pass) -> tuple[list[Tensor], Backward]:
        [x] = inputs
        y, reciprocal = rms_norm(x, self.weight, self.eps)

        def backward(d_outputs: list[Tensor], _: bool) -> list[Tensor]:
            return [rms_norm_backward(d_outputs[0], x, reciprocal, self.weight)]

        return [y], backward

    def saved_bytes(self, keys: int, narrow: int, wide: int) -> int:
        return self.weight.shape[0] * narrow


@dataclass(frozen=True)
class HeadNorm(TokenwiseOp):
    """RMS norm of each head of the queries and of the keys, with weights [head_dim]; the values pass through."""

    q_weight: Tensor
    k_weight: Tensor
    eps: float
    heads: int
    kv_heads: int

    def forward(self, inputs: list[Tensor], step: Pass) -> tuple[list[Tensor], Backward]:
        q, k, v = inputs
        head_dim = self.q_weight.shape[0]
        q_heads, k_heads = q.view(-1, head_dim), k.view(-1, head_dim)
        normed_q, q_reciprocal = rms_norm(q_heads, self.q_weight, self.eps)
        normed_k, k_reciprocal = rms_norm(k_heads, self.k_weight, self.eps)
        q_shape, k_shape = q.shape, k.shape

        def backward(d_outputs: list[Tensor], _: bool) -> list[Tensor]:
            dq, dk, dv = d_outputs
            dq = rms_norm_backward(dq.view(-1, head_dim), q_heads, q_reciprocal, self.q_weight)
            dk = rms_norm_backward(dk.view(-1, head_dim), k_heads, k_reciprocal, self.k_weight)
            return [dq.view(q_shape), dk.view(k_shape), dv]

        return [normed_q.view(q_shape), normed_k.view(k_shape), v], backward

    def saved_bytes(self, keys: int, narrow: int, wide: int) -> int:
        heads = self.heads + self.kv_heads
        return heads * (self.q_weight.shape[0] * narrow + wide)


@dataclass(frozen=True)
class Project(TokenwiseOp):
    """Projections that share their input, with the adapters' factors on them at `key`."""

    adapted: ClassVar[bool] = True

    key: Key
    projections: tuple[Projection, ...]

    def forward(self, inputs: list[Tensor], step: Pass) -> tuple[list[Tensor], Backward]:
        outputs, saved = project(inputs[0], self.projections, self.key, step.lora)

        def backward(d_outputs: list[Tensor], need_dx: bool) -> list[Tensor]:
            dx = project_backward(d_outputs, self.projections, saved, need_dx=need_dx)
            return [] if dx is None else [dx]

        return outputs, backward

    def saved_bytes(self, keys: int, narrow: int, wide: int) -> int:
        return self.projections[0].weight.shape[1] * narrow


@dataclass(frozen=True)
class Attention(Op):
    """Rotary positions and causal attention: queries [T, heads * D], keys and values [T, kv heads * D]."""

    layer: int
    heads: int
    kv_heads: int
    head_dim: int

    def forward(self, inputs: list[Tensor], step: TrainingPass) -> tuple[list[Tensor], Backward]:
        q, k, v = self._heads(inputs)
        # the scores are computed in the dtype of the angles, which is at least fp32
        q, k = rotate(q, step.cos, step.sin), rotate(k, step.cos, step.sin)
        attended, saved = attend(q, k, v, step.attention)
        tokens, dtype = v.shape[0], v.dtype

        def backward(d_outputs: list[Tensor], _: bool) -> list[Tensor]:
            d_attended = d_outputs[0].view(tokens, self.heads, -1)
            dq, dk, dv = attend_backward(d_attended, saved, step.attention)
            dq, dk = rotate_backward(dq, step.cos, step.sin), rotate_backward(dk, step.cos, step.sin)
            return [one.to(dtype).view(tokens, -1) for one in (dq, dk, dv)]

        return [attended.view(tokens, -1)], backward

    def infer(self, inputs: list[Tensor], step: InferencePass) -> list[Tensor]:
        q, k, v = self._heads(inputs)
        q, k = rotate(q, step.cos, step.sin).to(v.dtype), rotate(k, step.cos, step.sin).to(v.dtype)
        write_cached(k, v, self.layer, step.attention)
        return [attend_cached(q, self.layer, step.attention).view(v.shape[0], -1)]

    def saved_bytes(self, keys: int, narrow: int, wide: int) -> int:
        probabilities = self.heads * keys * narrow if keys <= RECOMPUTE_ABOVE else 0
        return probabilities + (self.heads + 2 * self.kv_heads) * self.head_dim * wide

    def _heads(self, inputs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = inputs
        tokens = q.shape[0]
        return q.view(tokens, self.heads, -1), k.view(tokens, self.kv_heads, -1), v.view(tokens, self.kv_heads, -1)


@dataclass(frozen=True)
class SwiGlu(TokenwiseOp):
    """silu(gate) * up, both [T, width]."""

    width: int

    def forward(self, inputs: list[Tensor], step: Pass) -> tuple[list[Tensor], Backward]:
        gate, up = inputs

        def backward(d_outputs: list[Tensor], _: bool) -> list[Tensor]:
            return list(swiglu_backward(d_outputs[0], gate, up))

        return [swiglu(gate, up)], backward

    def saved_bytes(self, keys: int, narrow: int, wide: int) -> int:
        return 2 * self.width * narrow
