"""Adapters as flat vectors: one tensor holds all of A and B of one LoRA layer, and views give it shape.

A flat vector has exactly its job's rank, so norm, clip, AdamW, cast and checkpoint are one operation each, nothing is
padded, and a job of rank 8 costs what rank 8 costs beside one of rank 64.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from ...jobs.job import Recipe, Targets
from ..base import FrozenBase, module_name

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
        a_t, b_t: the same transposed. Made once, since for few rows a view costs as much as a tenth of a product.
    """

    positions: tuple[int, ...]
    a: Tensor
    b: tuple[Tensor, ...]
    a_t: Tensor
    b_t: tuple[Tensor, ...]


@dataclass(frozen=True)
class _Block:
    layer: int
    group: int
    names: tuple[str, ...]
    positions: tuple[int, ...]
    inputs: int
    outputs: tuple[int, ...]


class AdapterLayout:
    """Where the factors of a LoRA layer of one rank lie in its flat vector."""

    def __init__(self, decoder: FrozenBase, rank: int, targets: frozenset[str], lowest_layer: int = 0) -> None:
        """Lay out the projections named `targets` in the layers from `lowest_layer` up."""
        self.rank = rank
        self.targets = targets
        self.lowest_layer = lowest_layer
        self.blocks: list[_Block] = []
        for index, layer in enumerate(decoder.layers[lowest_layer:], lowest_layer):
            for group, projections in enumerate(layer.groups):
                hit = [(i, p) for i, p in enumerate(projections) if p.name in targets]
                if hit:
                    self.blocks.append(
                        _Block(
                            index,
                            group,
                            tuple(p.name for _, p in hit),
                            tuple(i for i, _ in hit),
                            hit[0][1].weight.shape[1],
                            tuple(p.weight.shape[0] for _, p in hit),
                        )
                    )
        self.size = sum(rank * (len(b.names) * b.inputs + sum(b.outputs)) for b in self.blocks)

    @property
    def kind(self) -> tuple[object, ...]:
        """Equal for layouts of one shape."""
        return self.rank, self.targets, self.lowest_layer

    @classmethod
    def of(cls, decoder: FrozenBase, recipe: Recipe) -> "AdapterLayout":
        """The layout of what a recipe trains."""
        return cls(decoder, recipe.rank, TARGETS[recipe.targets], recipe.lowest_layer(len(decoder.layers)))

    def view(self, flat: Tensor) -> "AdapterView":
        """Shape a vector [size] without copying it."""
        return AdapterView(self, flat)


class AdapterView:
    """A flat vector seen as factors: `factors[layer, group]`."""

    def __init__(self, layout: AdapterLayout, flat: Tensor) -> None:
        self.layout = layout
        self.flat = flat
        self.factors: dict[tuple[int, int], GroupFactors] = {}
        rank, at = layout.rank, 0

        def take(rows: int, columns: int) -> Tensor:
            nonlocal at
            at += rows * columns
            return flat[at - rows * columns : at].view(rows, columns)

        for block in layout.blocks:
            a = take(len(block.names) * rank, block.inputs)
            b = tuple(take(outputs, rank) for outputs in block.outputs)
            self.factors[block.layer, block.group] = GroupFactors(block.positions, a, b, a.T, tuple(one.T for one in b))

    def modules(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Each adapted module as (name in the model, A [rank, in], B [out, rank])."""
        rank = self.layout.rank
        for block in self.layout.blocks:
            factors = self.factors[block.layer, block.group]
            for i, name in enumerate(block.names):
                yield module_name(block.layer, name), factors.a[i * rank : (i + 1) * rank], factors.b[i]


@dataclass(frozen=True)
class LoraTerm:
    """One adapter on the rows of a packed batch that it applies to: adds `scale` * x Aᵀ Bᵀ there.

    Attributes:
        weights: factors in the dtype that the pass computes in.
        gradients: where the pass leaves the gradients of `weights`; None for a frozen adapter.
    """

    rows: slice
    weights: AdapterView
    scale: float
    gradients: AdapterView | None
