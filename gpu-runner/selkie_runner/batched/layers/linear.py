"""Linear layers with many adapters: one product with the frozen weight for all rows, each adapter on its own rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..kernels.products import Projection, times_transposed

#: (layer, group)
Key = tuple[int, int]


class SavedLora(Protocol):
    """What the backward pass of a `LoraKernel` needs from its forward pass, for one group of projections."""

    @property
    def trained(self) -> bool:
        """Whether the backward pass needs the group's input."""
        ...

    def backward(self, d_outputs: Sequence[Tensor], x: Tensor | None, dx: Tensor | None) -> None:
        """Write the factors' gradients into their terms' `gradients`, and add the input's to `dx` unless it is None."""
        ...


class LoraKernel(Protocol):
    """One way to compute some adapters of a pass: one in `lora/single.py`, many of one shape in `lora/grouped.py`."""

    def add(self, key: Key, x: Tensor, outputs: Sequence[Tensor]) -> SavedLora | None:
        """Add the adapters' part to the outputs [T, out] of a group; None if they have no factors on it."""
        ...


@dataclass(frozen=True)
class SavedProjections:
    """What the backward pass of a group needs.

    Attributes:
        x: [T, in] the input; None if no factors are trained on it.
        lora: in the order of the pass's kernels.
    """

    x: Tensor | None
    lora: list[SavedLora]


def project(
    x: Tensor, group: tuple[Projection, ...], key: Key, kernels: Sequence[LoraKernel]
) -> tuple[list[Tensor], SavedProjections]:
    """Outputs [T, out] of a group of projections that share the input `x` [T, in]."""
    outputs = [times_transposed(x, one.weight, one.packed, one.bias) for one in group]
    lora = [saved for saved in (kernel.add(key, x, outputs) for kernel in kernels) if saved is not None]
    return outputs, SavedProjections(x if any(saved.trained for saved in lora) else None, lora)


def project_backward(
    d_outputs: list[Tensor], group: tuple[Projection, ...], saved: SavedProjections, *, need_dx: bool
) -> Tensor | None:
    """Write the trained factors' gradients, and return that of the input [T, in].

    With `need_dx` false nothing below is trained: returns None and computes only the factors' gradients.
    """
    dx: Tensor | None = None
    if need_dx:
        dx = d_outputs[0] @ group[0].weight
        for d_output, projection in zip(d_outputs[1:], group[1:], strict=True):
            dx.addmm_(d_output, projection.weight)
    for lora in saved.lora:
        if dx is not None or lora.trained:
            lora.backward(d_outputs, saved.x, dx)
    return dx
