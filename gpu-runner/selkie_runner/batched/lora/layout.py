"""Adapters as flat vectors: one tensor holds all of A and B of one LoRA layer, and views give it shape.

A flat vector has exactly its job's rank. So norm, clip, AdamW, cast and checkpoint are one operation each, nothing is
padded, and a job of rank 8 costs what rank 8 costs, whatever ranks its neighbours have.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from ...jobs.job import Recipe, Targets
from ..base import FrozenBase
from ..layers.linear import Key

TARGETS: dict[Targets, frozenset[str]] = {
    "qv": frozenset({"q_proj", "v_proj"}),
    "all-linear": frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
}


@dataclass(frozen=True)
class GroupFactors:
    """The factors on one group of projections that share their input.

    Attributes:
        positions: which projections of the group have factors.
        a: their A stacked, [n * rank, in], so that one product serves all.
        b: their B, each [out, rank].
        a_t, b_t: the same transposed. Made once: for few rows a view costs as much as a tenth of a product.
    """

    positions: tuple[int, ...]
    a: Tensor
    b: tuple[Tensor, ...]
    a_t: Tensor
    b_t: tuple[Tensor, ...]


@dataclass(frozen=True)
class _Group:
    """Where a group of projections has factors, and the factors' widths."""

    key: Key
    modules: tuple[str, ...]
    positions: tuple[int, ...]
    inputs: int
    outputs: tuple[int, ...]


class AdapterLayout:
    """Where the factors of a LoRA layer of one rank lie in its flat vector."""

    def __init__(self, base: FrozenBase, rank: int, targets: frozenset[str], lowest_layer: int = 0) -> None:
        """Lay out the projections named `targets` in the layers from `lowest_layer` up."""
        self.rank = rank
        self.targets = targets
        self.lowest_layer = lowest_layer
        self.groups: list[_Group] = []
        for index, layer in enumerate(base.layers[lowest_layer:], lowest_layer):
            for number, projections in enumerate(layer.groups):
                hit = [(position, p) for position, p in enumerate(projections) if p.name in targets]
                if hit:
                    self.groups.append(
                        _Group(
                            key=(index, number),
                            modules=tuple(p.module for _, p in hit),
                            positions=tuple(position for position, _ in hit),
                            inputs=hit[0][1].weight.shape[1],
                            outputs=tuple(p.weight.shape[0] for _, p in hit),
                        )
                    )
        self.size = sum(rank * (len(group.modules) * group.inputs + sum(group.outputs)) for group in self.groups)

    @property
    def kind(self) -> tuple[object, ...]:
        """Equal for layouts of one shape."""
        return self.rank, self.targets, self.lowest_layer

    @classmethod
    def of(cls, base: FrozenBase, recipe: Recipe) -> "AdapterLayout":
        """The layout of what a recipe trains."""
        return cls(base, recipe.rank, TARGETS[recipe.targets], recipe.lowest_layer(len(base.layers)))

    def view(self, flat: Tensor) -> "AdapterView":
        """Shape a vector [size] without copying it."""
        return AdapterView(self, flat)


class AdapterView:
    """A flat vector seen as factors: `factors[layer, group]`."""

    def __init__(self, layout: AdapterLayout, flat: Tensor) -> None:
        self.layout = layout
        self.flat = flat
        self.factors: dict[Key, GroupFactors] = {}
        rank, at = layout.rank, 0

        def take(rows: int, columns: int) -> Tensor:
            nonlocal at
            at += rows * columns
            return flat[at - rows * columns : at].view(rows, columns)

        for group in layout.groups:
            a = take(len(group.modules) * rank, group.inputs)
            b = tuple(take(outputs, rank) for outputs in group.outputs)
            self.factors[group.key] = GroupFactors(group.positions, a, b, a.T, tuple(one.T for one in b))

    def modules(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Each adapted module as (name in the model, A [rank, in], B [out, rank])."""
        rank = self.layout.rank
        for group in self.layout.groups:
            factors = self.factors[group.key]
            for i, module in enumerate(group.modules):
                yield module, factors.a[i * rank : (i + 1) * rank], factors.b[i]


@dataclass(frozen=True)
class LoraTerm:
    """One adapter on the rows of a packed batch that it applies to: adds `scale` * x Aᵀ Bᵀ there.

    Attributes:
        weights: factors in the dtype that the pass computes in.
        gradients: the pass writes the gradients of `weights` there; None for a frozen adapter.
    """

    rows: slice
    weights: AdapterView
    scale: float
    gradients: AdapterView | None
