"""One model that a runner can load."""

from dataclasses import dataclass
from typing import Literal

Dtype = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class ModelSpec:
    """One entry of the registry.

    Attributes:
        source: where the weights come from; see `registry.py`.
        chat: the model is asked by its chat template.
        dtype: what the weights are held and computed in. `auto` is bfloat16 where the device is fast at that, else
            float32, whatever the files hold.
        max_length: tokens of a prompt and its answer, or of a training row, at most.
    """

    name: str
    source: str
    chat: bool
    dtype: Dtype
    max_length: int
