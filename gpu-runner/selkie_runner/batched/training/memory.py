"""How much memory a step takes, and how many tokens fit: the model behind admission."""

from ..base import MAX_LOGITS, FrozenBase
from ..kernels.elementwise import statistics_dtype
from ..lora.layout import AdapterLayout

#: tokens whose states below its lowest trained layer a job may keep
STATE_TOKENS = 16384


def bytes_per_token(decoder: FrozenBase) -> int:
    """Activations of one packed token, with every linear trained and rows as long as probabilities are kept for."""
    wide = statistics_dtype(decoder.dtype)
    kept = [op.saved_bytes(decoder.dtype.itemsize, wide.itemsize) for layer in decoder.layers for op in layer.ops]
    # the backward pass of an op takes at most about twice what the op kept, and frees that at once
    return sum(kept) + 2 * max(kept)


def bytes_per_job(decoder: FrozenBase, layout: AdapterLayout) -> int:
    """Masters, gradient and both moments of one job, and copies in the dtype of the pass where that is another.

    A job of few rows has no copies.
    """
    wide = statistics_dtype(decoder.dtype)
    copies = 0 if wide == decoder.dtype else 2 * decoder.dtype.itemsize
    return layout.size * (4 * wide.itemsize + copies)


def bytes_for_states(decoder: FrozenBase, layout: AdapterLayout) -> int:
    """What a job may keep of its rows' states below its lowest trained layer, besides `bytes_per_job`."""
    return STATE_TOKENS * decoder.embedding.shape[1] * decoder.dtype.itemsize if layout.lowest_layer else 0


def bytes_per_step(decoder: FrozenBase) -> int:
    """What every pass of a step takes besides: a chunk of logits, their exponentials, and both in its own dtype."""
    wide = statistics_dtype(decoder.dtype)
    if wide == decoder.dtype and decoder.device.type == "cpu":
        return MAX_LOGITS * wide.itemsize  # all three are one
    return MAX_LOGITS * (2 * decoder.dtype.itemsize + wide.itemsize)
