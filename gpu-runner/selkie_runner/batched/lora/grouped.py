"""Many adapters of one shape in one grouped product, for devices where launching a product costs more than its work."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from ..kernels.elementwise import statistics_dtype
from ..layers.linear import Key, LoraKernel
from .layout import GroupFactors, LoraTerm
from .mixed_precision import fp32_adapters
from .single import SingleAdapter

#: `grouped_mm` needs strides that are multiples of 16 bytes: 8 columns of bf16
ALIGNED_RANK = 8


def lora_kernels(terms: Sequence[LoraTerm], dtype: torch.dtype, *, grouped: bool = False) -> list[LoraKernel]:
    """The kernels that compute the adapters of a pass in `dtype`.

    Args:
        grouped: compute adapters of one shape on adjoining rows together; otherwise each alone.
    """
    wider = [term for term in terms if term.weights.flat.dtype != dtype]
    others = [term for term in terms if term.weights.flat.dtype == dtype]
    kernels: list[LoraKernel] = [*fp32_adapters(wider)]
    for run in _runs(others) if grouped and others else ([term] for term in others):
        kernels.append(GroupedAdapters(run) if len(run) > 1 else SingleAdapter(run[0]))
    return kernels


def prefers_grouped(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the grouped product has a fast kernel here."""
    return device.type == "cuda" and dtype == torch.bfloat16 and torch.cuda.get_device_capability(device) >= (9, 0)


class GroupedAdapters:
    """Trained adapters of one layout on adjoining rows."""

    def __init__(self, terms: Sequence[LoraTerm]) -> None:
        self.terms = terms
        self.rows = slice(terms[0].rows.start, terms[-1].rows.stop)
        weights = terms[0].weights
        self.rank = weights.layout.rank
        device, dtype = weights.flat.device, weights.flat.dtype
        # where each term's rows end, counted from the first
        self.ends = torch.tensor([t.rows.stop - self.rows.start for t in terms], dtype=torch.int32, device=device)
        # not rounded to the pass's dtype: an adapter is exported with its exact scale
        self.scales = torch.tensor([t.scale for t in terms], dtype=statistics_dtype(dtype), device=device).view(
            -1, 1, 1
        )

    def add(self, key: Key, x: Tensor, outputs: Sequence[Tensor]) -> "SavedGrouped | None":
        members = [term.weights.factors.get(key) for term in self.terms]
        factors = [member for member in members if member is not None]
        if not factors:
            return None
        scaled_a = torch.stack([one.a for one in factors]).mul_(self.scales)
        b = [torch.stack([one.b[i] for one in factors]) for i in range(len(factors[0].b))]
        inner = functional.grouped_mm(x[self.rows], scaled_a.transpose(1, 2), offs=self.ends)
        for i, position in enumerate(factors[0].positions):
            part = functional.grouped_mm(inner[:, self._columns(i)], b[i].transpose(1, 2), offs=self.ends)
            outputs[position][self.rows].add_(part)
        return SavedGrouped(self, key, factors[0].positions, scaled_a, b, inner)

    def _columns(self, index: int) -> slice:
        return slice(index * self.rank, (index + 1) * self.rank)


@dataclass(frozen=True)
class SavedGrouped:
    """The backward pass of `GroupedAdapters`.

    Attributes:
        scaled_a: [terms, projections * rank, in].
        b: [terms, out, rank] per projection.
        inner: [rows, projections * rank] x Aᵀ with the scaled A.
    """

    group: GroupedAdapters
    key: Key
    positions: tuple[int, ...]
    scaled_a: Tensor
    b: list[Tensor]
    inner: Tensor

    @property
    def trained(self) -> bool:
        return True

    def backward(self, d_outputs: Sequence[Tensor], x: Tensor | None, dx: Tensor | None) -> None:
        assert x is not None
        group = self.group
        gradients = list(self._gradients())
        d_inner = torch.empty_like(self.inner)
        for i, position in enumerate(self.positions):
            columns = slice(i * group.rank, (i + 1) * group.rank)
            d_output = d_outputs[position][group.rows].contiguous()
            d_inner[:, columns] = functional.grouped_mm(d_output, self.b[i], offs=group.ends)
            # the grouped dimension is the one that is summed over: a product for each term's rows
            d_b = functional.grouped_mm(d_output.T, self.inner[:, columns], offs=group.ends)
            _copy_each([one.b[i] for one in gradients], d_b)
        d_a = functional.grouped_mm(d_inner.T, x[group.rows], offs=group.ends).mul_(group.scales)
        _copy_each([one.a for one in gradients], d_a)
        if dx is not None:
            dx[group.rows].add_(functional.grouped_mm(d_inner, self.scaled_a, offs=group.ends))

    def _gradients(self) -> Iterator[GroupFactors]:
        for term in self.group.terms:
            assert term.gradients is not None
            yield term.gradients.factors[self.key]


def _copy_each(targets: Sequence[Tensor], stacked: Tensor) -> None:
    # one launch for all; torch has no public name for it
    torch._foreach_copy_(list(targets), list(stacked))  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]


def _runs(terms: Sequence[LoraTerm]) -> Iterator[list[LoraTerm]]:
    """The longest runs of terms that one grouped product can compute; `terms` in the order of their rows."""
    run: list[LoraTerm] = [terms[0]]
    for before, term in pairwise(terms):
        if not _go_together(before, term):
            yield run
            run = []
        run.append(term)
    yield run


def _go_together(one: LoraTerm, other: LoraTerm) -> bool:
    trained = one.gradients is not None and other.gradients is not None
    shape, next_shape = one.weights.layout, other.weights.layout
    alike = shape.kind == next_shape.kind
    return trained and alike and shape.rank % ALIGNED_RANK == 0 and one.rows.stop == other.rows.start
