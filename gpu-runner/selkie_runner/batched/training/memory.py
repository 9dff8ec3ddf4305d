"""How much memory a step takes, and how many tokens fit: the model behind admission."""

from ..base import MAX_LOGITS, FrozenBase
from ..kernels.attention import RECOMPUTE_ABOVE
from ..kernels.elementwise import statistics_dtype
from ..lora.layout import AdapterLayout

#: tokens whose hidden states a job may cache
MAX_CACHED_TOKENS = 16384


def bytes_per_token(base: FrozenBase, *, keys: int = RECOMPUTE_ABOVE, lowest_layer: int = 0) -> int:
    """Activations of one packed token of a row with `keys` keys, with every linear trained from `lowest_layer` on.

    By default the number of keys that takes the most: the probabilities of longer rows are not kept.
    """
    wide = statistics_dtype(base.dtype)
    ops = [op for layer in base.layers[lowest_layer:] for op in layer.ops]
    kept = [op.saved_bytes(keys, base.dtype.itemsize, wide.itemsize) for op in ops]
    # the backward pass of an op takes at most about twice what the op kept, and frees that at once
    return sum(kept) + 2 * max(kept)


def bytes_per_job(base: FrozenBase, layout: AdapterLayout) -> int:
    """Masters, gradient and both moments of one job, and copies in the dtype of the pass where that is another.

    A job of few rows has no copies.
    """
    wide = statistics_dtype(base.dtype)
    copies = 0 if wide == base.dtype else 2 * base.dtype.itemsize
    return layout.size * (4 * wide.itemsize + copies)


def bytes_of_hidden_cache(base: FrozenBase, layout: AdapterLayout) -> int:
    """Bytes that a job may cache of its rows' hidden states, on top of `bytes_per_job`."""
    return MAX_CACHED_TOKENS * base.embedding.shape[1] * base.dtype.itemsize if layout.lowest_layer else 0


def bytes_per_step(base: FrozenBase) -> int:
    """Bytes that every pass takes on top: a chunk of logits, their exponentials, and both in the pass's dtype.

    The scores of long rows, a block at a time, take less, and are not held at the same time.
    """
    wide = statistics_dtype(base.dtype)
    if wide == base.dtype and base.device.type == "cpu":
        return MAX_LOGITS * wide.itemsize  # all three are one
    return MAX_LOGITS * (2 * base.dtype.itemsize + wide.itemsize)
