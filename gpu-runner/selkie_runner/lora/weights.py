"""LoRA layers as plain tensors, with no model around them.

A module's weight update is `alpha / rank · B A` with `A` [rank, in] and `B` [out, rank]; modules go by their name in
the base, such as `model.layers.0.self_attn.q_proj`.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InvalidTraining

# what vLLM can be configured to hold; smaller adapters are padded into these by the server
SERVED_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)


@dataclass(frozen=True)
class LoraWeights:
    """One LoRA layer. `a` and `b` have the same modules; all tensors are fp32.

    Attributes:
        a: [rank, in] by module.
        b: [out, rank] by module.
    """

    rank: int
    alpha: float
    a: Mapping[str, Tensor]
    b: Mapping[str, Tensor]

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


def initial_weights(shapes: Mapping[str, tuple[int, int]], rank: int, alpha: float, seed: int) -> LoraWeights:
    """A fresh layer: `A` uniform as PEFT draws it, `B` zero, so that it changes nothing yet.

    Each `A` has its own generator, seeded by (seed, module name): the values depend on no global random state, no
    device and no other module.

    Args:
        shapes: (out, in) by module.
    """
    a: dict[str, Tensor] = {}
    b: dict[str, Tensor] = {}
    for module, (rows, columns) in shapes.items():
        digest = hashlib.sha256(f"{seed}:{module}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        bound = 1 / math.sqrt(columns)
        a[module] = torch.empty(rank, columns).uniform_(-bound, bound, generator=generator)
        b[module] = torch.zeros(rows, rank)
    return LoraWeights(rank=rank, alpha=alpha, a=a, b=b)


def update_norm(layer: LoraWeights) -> float:
    """Frobenius norm of the layer's whole weight update, over all modules.

    ‖BA‖² is the trace of (BᵀB)(AAᵀ), two rank × rank matrices, so the update itself is never built. In fp64, because
    the trace cancels.
    """
    total = 0.0
    for module, a in layer.a.items():
        a64, b64 = a.double(), layer.b[module].double()
        total += float(((b64.T @ b64) * (a64 @ a64.T)).sum())
    # not max(): a NaN must come out as NaN
    return layer.scale * math.sqrt(total) if not total < 0 else 0.0


def concatenated(layers: Sequence[LoraWeights]) -> LoraWeights:
    """A stack as one layer: rows of A, columns of B with each layer's scale folded in, zeros for missing modules.

    The rank is the sum of the ranks, padded with zeros to the next of `SERVED_RANKS`.

    Raises:
        InvalidTraining: the sum is above the largest rank that a server can hold.
    """
    total = sum(layer.rank for layer in layers)
    rank = next((served for served in SERVED_RANKS if served >= total), None)
    if rank is None:
        ranks = " + ".join(str(layer.rank) for layer in layers)
        raise InvalidTraining(
            f"a stack of rank {ranks} = {total} is above {SERVED_RANKS[-1]}, the most that a server can hold;"
            " train from the base, or with a lower rank"
        )
    shapes = {module: (layer.b[module].shape[0], a.shape[1]) for layer in layers for module, a in layer.a.items()}
    joined_a: dict[str, Tensor] = {}
    joined_b: dict[str, Tensor] = {}
    for module, (rows, columns) in sorted(shapes.items()):
        a, b = torch.zeros(rank, columns), torch.zeros(rows, rank)
        start = 0
        for layer in layers:
            if module in layer.a:
                a[start : start + layer.rank] = layer.a[module]
                b[:, start : start + layer.rank] = layer.b[module] * layer.scale
            start += layer.rank
        joined_a[module], joined_b[module] = a, b
    return LoraWeights(rank=rank, alpha=rank, a=joined_a, b=joined_b)
