"""Decoding and scoring by the Hugging Face model itself, one adapter at a time: generators that yield between passes.

The host says which adapter is on by `activate`, which is called before every forward pass, because other work uses the
model between two steps. Neighbours in a batch move logits by rounding; one row alone repeats bit for bit. This is the
oracle of the batched decoder, and what serves the architectures that it does not compute.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Final

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import Diverged
from ..hardware import memory_errors
from ..rows.rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow, TokenLogprob
from ..rows.sampler import Sampler, not_finite
from ..rows.sampling import token_logprobs

#: positions whose logits are held at once while scoring
_SCORED_POSITIONS: Final = 2048
#: a shorter prefix that prompts share costs more as a separate pass than it saves
_WORTH_SHARING: Final = 24


def decode(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[DecodeRow],
    *,
    activate: Callable[[], None],
    wanted: Callable[[int], bool] = lambda _: True,
) -> Generator[list[tuple[int, DecodedRow | Diverged]], None, None]:
    """Decode rows together; yields, after each step, the rows that it finished, as (position in `rows`, outcome).

    Equal prompts are read once. A row for which `wanted(position)` turns false is dropped at the next step.
    """
    sampler = Sampler(model, tokenizer)
    answers = {position: sampler.begin(row) for position, row in enumerate(rows)}
    state = _Batch(model, [row.prompt for row in rows], activate)
    while answers:
        outcomes = sampler.extend(list(answers.values()), state.logits)
        found = dict(zip(answers, outcomes, strict=True))
        yield [(position, outcome) for position, outcome in found.items() if outcome is not None]
        kept = [position for position in answers if found[position] is None and wanted(position)]
        if len(kept) < len(answers):
            slots = {position: slot for slot, position in enumerate(answers)}
            state.keep([slots[position] for position in kept])
            answers = {position: answers[position] for position in kept}
        if answers:
            state.step([answer.tokens[-1] for answer in answers.values()], activate)


def score(
    model: PreTrainedModel,
    rows: Sequence[ScoreRow],
    *,
    activate: Callable[[], None],
    wanted: Callable[[int], bool] = lambda _: True,
) -> Generator[list[tuple[int, ScoredRow | Diverged]], None, None]:
    """Log-probabilities of given tokens; yields, after each forward pass, its rows as (position in `rows`, outcome)."""
    waiting = sorted(range(len(rows)), key=lambda position: len(rows[position].tokens))
    while waiting := [position for position in waiting if wanted(position)]:
        count = 1
        while count < len(waiting) and (count + 1) * len(rows[waiting[count]].tokens) <= _SCORED_POSITIONS:
            count += 1
        together, waiting = waiting[:count], waiting[count:]
        activate()
        yield list(zip(together, _score_together(model, [rows[position] for position in together]), strict=True))


class _Batch:
    """Left-padded rows with their key-value cache and the logits [rows, vocabulary] of their next tokens."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[tuple[int, ...]], activate: Callable[[], None]
    ) -> None:
        self._model = model
        self._cache = DynamicCache(config=model.config)
        distinct = list(dict.fromkeys(prompts))
        shared = _shared_prefix(distinct)
        self._mask = torch.ones(1, shared, dtype=torch.long, device=model.device)
        activate()
        if shared > 0:
            # read once what all prompts begin with: a template's examples, an instruction
            prefix = torch.tensor([distinct[0][:shared]], device=model.device)
            self._forward(prefix, torch.arange(shared, device=model.device)[None])
            self._cache.batch_repeat_interleave(len(distinct))
        rests = [prompt[shared:] for prompt in distinct]
        width = max(map(len, rests))
        padded = [(0,) * (width - len(rest)) + rest for rest in rests]
        real = [[0] * (width - len(rest)) + [1] * len(rest) for rest in rests]
        rest_mask = torch.tensor(real, device=model.device)
        self._mask = torch.cat([self._mask.expand(len(distinct), -1), rest_mask], dim=1)
        positions = (self._mask.cumsum(1) - 1).clamp(min=0)[:, shared:]
        self.logits = self._forward(torch.tensor(padded, device=model.device), positions)
        if len(distinct) < len(prompts):
            self.keep([distinct.index(prompt) for prompt in prompts])

    def keep(self, slots: list[int]) -> None:
        """Keep, reorder or repeat rows. The logits stay those of the last forward pass, in the new order."""
        if not slots:
            return
        chosen = torch.tensor(slots, device=self._mask.device)
        self._cache.batch_select_indices(chosen)
        self._mask = self._mask[chosen]
        self.logits = self.logits[chosen]

    def step(self, tokens: list[int], activate: Callable[[], None]) -> None:
        """Read one more token of each row."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        activate()
        ids = torch.tensor(tokens, device=self._mask.device)[:, None]
        self.logits = self._forward(ids, self._mask.sum(1, keepdim=True) - 1)

    @memory_errors("decoding")
    @torch.no_grad()
    def _forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        output = self._model(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return _wide(output.logits[:, -1])


def _wide(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _shared_prefix(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many tokens all prompts begin with, at least one left to each; 0 where a separate pass would not pay."""
    if len(prompts) < 2:
        return 0
    first, last = min(prompts), max(prompts)  # in lexical order: what these two share, all share
    longest = min(len(prompt) for prompt in prompts) - 1
    shared = next((at for at in range(longest) if first[at] != last[at]), longest)
    return shared if shared >= _WORTH_SHARING else 0


@memory_errors("scoring")
@torch.no_grad()
def _score_together(model: PreTrainedModel, rows: Sequence[ScoreRow]) -> list[ScoredRow | Diverged]:
    width = max(len(row.tokens) for row in rows)
    padded = [row.tokens + (0,) * (width - len(row.tokens)) for row in rows]
    real = [[1] * len(row.tokens) + [0] * (width - len(row.tokens)) for row in rows]
    logits: Tensor = model(
        input_ids=torch.tensor(padded, device=model.device),
        attention_mask=torch.tensor(real, device=model.device),
        use_cache=False,
    ).logits
    scored: list[ScoredRow | Diverged] = []
    for slot, row in enumerate(rows):
        follows = _wide(logits[slot, row.start - 1 : len(row.tokens) - 1])
        if not bool(follows.amax(-1).isfinite().all()):
            scored.append(not_finite())
            continue
        unasked: list[TokenLogprob | None] = [None] * row.start
        targets = torch.tensor(row.tokens[row.start :], device=follows.device)
        scored.append([*unasked, *token_logprobs(follows, targets, row.top_logprobs)])
    return scored
