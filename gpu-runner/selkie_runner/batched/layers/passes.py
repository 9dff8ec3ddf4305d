"""What the ops of one pass share: the adapters, the rotary angles, and which rows attend to what."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..kernels.attention import AttentionPlan
from ..kernels.cached_attention import BucketPlan
from .linear import LoraKernel


@dataclass(frozen=True)
class Pass:
    """One pass over T packed tokens.

    Attributes:
        lora: adds the adapters to the outputs of the projections.
        cos, sin: [T, 1, head_dim / 2] of the rotary angles, in at least fp32.
    """

    lora: Sequence[LoraKernel]
    cos: Tensor
    sin: Tensor


@dataclass(frozen=True)
class TrainingPass(Pass):
    """Whole rows, each attending to itself and to the prefix that it shares."""

    attention: AttentionPlan


@dataclass(frozen=True)
class InferencePass(Pass):
    """The next tokens of rows, each attending to its slot of a key-value cache, which gets the tokens' own.

    Attributes:
        attention: per bucket of slots of one length.
    """

    attention: Sequence[BucketPlan]
