"""How much memory a step takes, and how many tokens fit: the model behind admission."""

from ..base import GATE_UP, MAX_LOGITS, QKV, FrozenBase
from ..kernels.attention import RECOMPUTE_ABOVE
from ..kernels.elementwise import statistics_dtype
from ..lora.layout import AdapterLayout

#: tokens whose states below its lowest trained layer a job may keep
STATE_TOKENS = 16384


def bytes_per_token(decoder: FrozenBase) -> int:
    """Activations of one packed token, with every linear trained and rows as long as probabilities are kept for."""
    narrow = decoder.dtype.itemsize
    wide = statistics_dtype(decoder.dtype).itemsize
    hidden = decoder.embedding.shape[1]
    kept: list[int] = []
    for layer in decoder.layers:
        inputs = sum(group[0].weight.shape[1] for group in layer.groups)
        gate_up = sum(projection.weight.shape[0] for projection in layer.groups[GATE_UP])
        qkv = sum(projection.weight.shape[0] for projection in layer.groups[QKV])
        # residuals, inputs of the projections, gate and up, probabilities; queries, keys and values
        kept.append((2 * hidden + inputs + gate_up + decoder.heads * RECOMPUTE_ABOVE) * narrow + qkv * wide)
    # while one layer's backward pass runs it takes about twice over what the layer kept
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
