"""Completions under way: which token comes next, and when a completion is finished.

Nothing here reads a clock or a global random state: a completion follows from its row's prompt, settings and seed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .rows import DecodedRow, DecodeRow, FinishReason, TokenLogprob

#: below this a temperature is greedy, as vLLM takes it
_GREEDY_BELOW: Final = 1e-5
#: a nucleus is looked for first among tokens at least this likely; sorting all of them costs more than a pass
_NUCLEUS_FLOORS: Final = (1e-3, 1e-5, 0.0)
#: some tokenizers write a leading space only where text stands before it
_CONTEXT_TOKENS: Final = 5


@dataclass
class Completion:
    """A row under way, with the tokens that it has so far."""

    row: DecodeRow
    random: torch.Generator
    tokens: list[int] = field(default_factory=list[int])
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])

    @classmethod
    def begin(cls, row: DecodeRow) -> "Completion":
        """A completion without a token; its random numbers follow from the row's seed and index alone."""
        digest = hashlib.sha256(f"{row.seed}/{row.index}".encode()).digest()
        return cls(row, torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1))


class StopConditions:
    """Decides when a completion of one model is finished."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, ends: bool = True) -> None:
        """With `ends` false, an end token ends nothing."""
        settings: Any = model.generation_config
        configured = settings.eos_token_id if settings is not None else None
        listed = configured if isinstance(configured, list) else [configured]
        known = [*listed, tokenizer.eos_token_id] if ends else []
        self._ends = frozenset(token for token in known if isinstance(token, int))
        self._tokenizer = tokenizer

    def finished(self, answer: Completion) -> DecodedRow | None:
        """The finished row, or None while it goes on."""
        ended = answer.tokens[-1] in self._ends
        full = len(answer.tokens) >= answer.row.max_tokens
        if not (ended or full or answer.row.stop):
            return None
        text = self._text(answer)
        found = [(text.index(stop), stop) for stop in answer.row.stop if stop in text]
        if not (ended or full or found):
            return None
        cut, stop_reason = min(found, default=(len(text), None))
        reason: FinishReason = "stop" if ended or found else "length"
        return DecodedRow(answer.tokens, text[:cut], reason, stop_reason, answer.logprobs)

    def _text(self, answer: Completion) -> str:
        def plain(tokens: Sequence[int]) -> str:
            return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))

        before = answer.row.prompt[-_CONTEXT_TOKENS:]
        context, whole = plain(before), plain([*before, *answer.tokens])
        return whole[len(context) :] if whole.startswith(context) else plain(answer.tokens)


def append_tokens(answers: Sequence[Completion], logits: Tensor) -> None:
    """Append its next token to each completion, chosen from `logits` [completions, vocabulary], at least float32."""
    likeliest: list[int] = logits.argmax(-1).tolist()
    for at, answer in enumerate(answers):
        greedy = answer.row.temperature < _GREEDY_BELOW
        answer.tokens.append(likeliest[at] if greedy else _sample(logits[at], answer))
    _note_logprobs(logits, answers)


def _sample(logits: Tensor, answer: Completion) -> int:
    """Draw by inverting the cumulative distribution, so that one random number decides, whatever the batch is."""
    row = answer.row
    chances = (logits / row.temperature).softmax(-1)
    tokens: Tensor | None = None
    if row.top_p < 1:
        chances, tokens = _nucleus(chances, row.top_p)
    cumulative = chances.double().cpu().cumsum(0)
    draw = torch.rand(1, generator=answer.random, dtype=torch.float64) * cumulative[-1]
    place = min(int(torch.searchsorted(cumulative, draw, right=True)), len(cumulative) - 1)
    return place if tokens is None else int(tokens[place])


def _nucleus(chances: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """The fewest likeliest tokens that together have `top_p`: their chances and ids."""
    tokens = chances.new_empty(0, dtype=torch.long)
    for floor in _NUCLEUS_FLOORS:
        tokens = (chances >= floor).nonzero().squeeze(1)
        if chances[tokens].sum() >= top_p:
            break
    likely, order = chances[tokens].sort(descending=True, stable=True)
    before = likely.double().cumsum(0) - likely
    kept = before < top_p
    return likely[kept], tokens[order[kept]]


def _note_logprobs(logits: Tensor, answers: Sequence[Completion]) -> None:
    asked = [slot for slot, answer in enumerate(answers) if answer.row.top_logprobs is not None]
    if asked:
        found = token_logprobs(
            logits[asked],
            [answers[slot].tokens[-1] for slot in asked],
            max(answers[slot].row.top_logprobs or 0 for slot in asked),
        )
        for slot, logprob in zip(asked, found, strict=True):
            top = logprob.top[: answers[slot].row.top_logprobs]
            answers[slot].logprobs.append(TokenLogprob(logprob.token, logprob.logprob, top))


def token_logprobs(logits: Tensor, tokens: Sequence[int], top: int) -> list[TokenLogprob]:
    """Log-probability of `tokens[i]` under `logits[i]` (float32, [positions, vocabulary]) and the `top` likeliest."""
    normaliser = logits.logsumexp(-1)
    chosen = logits.gather(1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0] - normaliser
    values, ids = logits.topk(min(top, logits.shape[1]), dim=-1)
    likeliest = (values - normaliser[:, None]).tolist()
    return [
        TokenLogprob(token, logprob, tuple(zip(of_ids, of_values, strict=True)))
        for token, logprob, of_ids, of_values in zip(tokens, chosen.tolist(), ids.tolist(), likeliest, strict=True)
    ]
