"""Biases and penalties: changes of the model's logits that count for greedy and for random choices."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from .completion import Completion


def adjusted(logits: Tensor, answers: Sequence[Completion], ends: Collection[int]) -> Tensor:
    """The logits [answers, vocabulary] after `logit_bias`, `min_tokens` and the penalties of each answer's row.

    Args:
        ends: tokens that are not chosen before an answer has `min_tokens`.

    Returns:
        `logits` itself where no row changes it.
    """
    biases = [(slot, token, bias) for slot, answer in enumerate(answers) for token, bias in answer.row.logit_bias]
    early = [
        (slot, token)
        for slot, answer in enumerate(answers)
        if len(answer.tokens) < answer.row.min_tokens
        for token in ends
    ]
    penalties = [
        (slot, token, row.repetition_penalty, row.frequency_penalty * count + row.presence_penalty * bool(count))
        for slot, answer in enumerate(answers)
        for row in [answer.row]
        for token, count in answer.counts.items()
    ]
    if not (biases or early or penalties):
        return logits
    logits = logits.clone()
    if biases:
        slots, tokens, values = _columns(biases, logits)
        logits.index_put_((slots, tokens), values, accumulate=True)
    if early:
        slots, tokens = _columns(early, logits)
        logits.index_put_((slots, tokens), logits.new_tensor(-torch.inf))
    if penalties:
        slots, tokens, factors, subtrahends = _columns(penalties, logits)
        found = logits[slots, tokens]
        found = torch.where(found > 0, found / factors, found * factors) - subtrahends
        logits.index_put_((slots, tokens), found)
    return logits


def _columns(
    rows: Sequence[tuple[int, int] | tuple[int, int, float] | tuple[int, int, float, float]], like: Tensor
) -> list[Tensor]:
    """The columns of a table: slots and tokens as indices, the others in the dtype of `like`."""
    indices, values = (0, 1), range(2, len(rows[0]))
    return [
        *(torch.tensor([row[i] for row in rows], device=like.device) for i in indices),
        *(torch.tensor([row[i] for row in rows], dtype=like.dtype, device=like.device) for i in values),
    ]
