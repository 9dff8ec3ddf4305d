"""Extends the completions of one model: chooses tokens, delivers them, and finds what is finished.

Nothing here reads a clock or a global random state: a completion follows from its row's prompt, parameters and seed.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..errors import Diverged
from .completion import Completion
from .detokenizer import Detokenizer
from .logits import adjusted
from .rows import DecodedRow, DecodeRow, TokenLogprob
from .sampling import choose_tokens, is_greedy, token_logprobs


class Sampler:
    """Turns the logits of a pass into the next tokens of its completions."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, ends: bool = True) -> None:
        """With `ends` false, an end token ends nothing."""
        settings: Any = model.generation_config
        configured = settings.eos_token_id if settings is not None else None
        listed = configured if isinstance(configured, list) else [configured]
        known = [*listed, tokenizer.eos_token_id] if ends else []
        self._ends = frozenset(token for token in known if isinstance(token, int))
        self._tokenizer = tokenizer

    def begin(self, row: DecodeRow) -> Completion:
        """A completion without a token."""
        return Completion.begin(row, Detokenizer(self._decode, row.prompt))

    def extend(self, answers: Sequence[Completion], logits: Tensor) -> list[DecodedRow | Diverged | None]:
        """Append a token to each completion, chosen from `logits` [completions, vocabulary], at least float32.

        Returns:
            For each completion its finished row, its error where its logits are not finite, or None if unfinished.
        """
        if not answers:
            return []
        chosen = choose_tokens(
            adjusted(logits, answers, self._ends),
            [answer.row for answer in answers],
            [0.0 if is_greedy(answer.row) else answer.draw() for answer in answers],
        )
        finite = logits.amax(-1).isfinite()
        # all of the pass is queued on the device by now: what is read here waits for it once
        logprobs = _logprobs(answers, logits, chosen)
        tokens, good = torch.stack([chosen, finite.long()]).tolist()
        outcomes: list[DecodedRow | Diverged | None] = []
        for slot, answer in enumerate(answers):
            if not good[slot]:
                outcomes.append(not_finite())
                continue
            answer.append(tokens[slot], logprobs.get(slot))
            outcomes.append(answer.advance(self._ends))
        return outcomes

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))


def not_finite() -> Diverged:
    """The error of a row whose logits are not finite."""
    return Diverged("the model computes no finite numbers with this adapter")


def _logprobs(answers: Sequence[Completion], logits: Tensor, tokens: Tensor) -> dict[int, TokenLogprob]:
    """By slot, for the rows that ask for log-probabilities: those before biases, penalties and temperature."""
    asked = {slot: top for slot, answer in enumerate(answers) if (top := answer.row.top_logprobs) is not None}
    if not asked:
        return {}
    slots = torch.tensor(list(asked)).to(logits.device, non_blocking=True)
    found = token_logprobs(logits[slots], tokens[slots], max(asked.values()))
    return {
        slot: replace(logprob, top=logprob.top[:top]) for (slot, top), logprob in zip(asked.items(), found, strict=True)
    }
