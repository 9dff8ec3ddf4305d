"""A decoder layer: residual branches of ops, one after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from ..kernels.products import Projection
from .ops import Backward, Op, Project
from .passes import InferencePass, TrainingPass

#: The gradient [T, hidden] of a layer's input from that of its output, which it overwrites. Called once. Where nothing
#: below is trained (`need_dx` false) it returns None and computes only what the layer's own adapters need.
LayerBackward = Callable[[Tensor, bool], Tensor | None]


@dataclass(frozen=True)
class Residual:
    """x + ops(x). The last op leaves its output's gradient as it is, as a projection does."""

    ops: tuple[Op, ...]

    def forward(self, x: Tensor, step: TrainingPass) -> tuple[Tensor, LayerBackward]:
        values = [x]
        backwards: list[Backward] = []
        for op in self.ops:
            values, backward = op.forward(values, step)
            backwards.append(backward)

        def residual_backward(dy: Tensor, need_dx: bool) -> Tensor | None:
            gradients = [dy]
            lowest = self._lowest_adapted
            for index in reversed(range(0 if need_dx else lowest, len(self.ops))):
                # popped, so that what an op saved is free as soon as its gradients are there
                gradients = backwards.pop()(gradients, need_dx or index > lowest)
            return dy.add_(gradients[0]) if need_dx else None

        return values[0].add_(x), residual_backward

    def infer(self, x: Tensor, step: InferencePass) -> Tensor:
        values = [x]
        for op in self.ops:
            values = op.infer(values, step)
        return values[0].add_(x)

    @cached_property
    def _lowest_adapted(self) -> int:
        return next(index for index, op in enumerate(self.ops) if op.adapted)


@dataclass(frozen=True)
class Layer:
    """One decoder layer over hidden states [T, hidden]."""

    residuals: Sequence[Residual]

    def forward(self, x: Tensor, step: TrainingPass) -> tuple[Tensor, LayerBackward]:
        """The layer's output, and its backward pass."""
        backwards: list[LayerBackward] = []
        for residual in self.residuals:
            x, backward = residual.forward(x, step)
            backwards.append(backward)

        def layer_backward(dy: Tensor, need_dx: bool) -> Tensor | None:
            gradient: Tensor | None = dy
            while backwards and gradient is not None:
                backward = backwards.pop()
                gradient = backward(gradient, need_dx or bool(backwards))
            return gradient

        return x, layer_backward

    def infer(self, x: Tensor, step: InferencePass) -> Tensor:
        """The layer's output in inference; the layer's part of the key-value cache gets the tokens' own."""
        for residual in self.residuals:
            x = residual.infer(x, step)
        return x

    @cached_property
    def groups(self) -> tuple[tuple[Projection, ...], ...]:
        """The projections by group: those of one group share their input."""
        return tuple(op.projections for op in self.ops if isinstance(op, Project))

    @property
    def ops(self) -> list[Op]:
        """All ops, in the order of the forward pass."""
        return [op for residual in self.residuals for op in residual.ops]
