"""Batched decoding and scoring on one model with one adapter: generators that yield between forward passes.

The host says which adapter is on by `activate`, which is called before every forward pass, because other work uses the
model between two steps. Nothing here reads a clock or a global random state: what a row answers depends on its prompt,
its settings and its seed. (Neighbours in a batch still move logits by rounding; one row alone repeats bit for bit.)
"""

import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from .errors import memory_errors

FinishReason = Literal["stop", "length"]

#: below this a temperature is greedy, as vLLM takes it
_GREEDY_BELOW: Final = 1e-5
#: a nucleus is looked for among this many likeliest tokens first; a full sort costs more than the forward pass
_NUCLEUS_TOKENS: Final = 1024
#: some tokenizers write a leading space only where text stands before it
_CONTEXT_TOKENS: Final = 5
#: positions whose logits are held at once while scoring
_SCORED_POSITIONS: Final = 2048
#: a shorter prefix that prompts share costs more as a pass of its own than it saves
_WORTH_SHARING: Final = 24


@dataclass(frozen=True)
class DecodeRow:
    """One answer to produce.

    Attributes:
        prompt: token ids, at least one.
        temperature: 0 takes the likeliest token.
        index: the row's number among the answers to one prompt; with `seed` it decides the row's random numbers.
        stop: the answer ends before the first of these strings.
        top_logprobs: also report this many likeliest tokens of each step; None reports no log-probabilities.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    index: int = 0
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None


@dataclass(frozen=True)
class TokenLogprob:
    """A token's log-probability under the model, before temperature, and the likeliest tokens in its place."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class DecodedRow:
    """An answer. `tokens` has every token produced, an end token or a stop string's tokens too; `text` has neither."""

    tokens: list[int]
    text: str
    finish_reason: FinishReason
    stop_reason: str | None
    logprobs: list[TokenLogprob]


@dataclass(frozen=True)
class ScoreRow:
    """Token ids whose log-probabilities are asked, each given those before it."""

    tokens: tuple[int, ...]
    top_logprobs: int = 0


#: the first token has nothing before it
ScoredRow = list[TokenLogprob | None]


@dataclass
class _Answer:
    """A row under way."""

    position: int
    row: DecodeRow
    random: torch.Generator
    tokens: list[int] = field(default_factory=list[int])
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    done: DecodedRow | None = None


def decode(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[DecodeRow],
    *,
    activate: Callable[[], None],
    wanted: Callable[[int], bool] = lambda _: True,
) -> Generator[list[tuple[int, DecodedRow]], None, None]:
    """Decode rows together; yields, after each token step, the rows that it finished, as (position in `rows`, answer).

    Equal prompts are read once. A row for which `wanted(position)` turns false is dropped at the next step.
    """
    ends = _end_tokens(model, tokenizer)
    answers = [_Answer(position, row, _random(row)) for position, row in enumerate(rows)]
    state = _Batch(model, [answer.row.prompt for answer in answers], activate)
    while answers:
        logits = state.logits
        for slot, token in enumerate(_choose(logits, answers)):
            answers[slot].tokens.append(token)
        _note_logprobs(logits, answers)
        for answer in answers:
            answer.done = _finish(tokenizer, answer, ends)
        yield [(answer.position, answer.done) for answer in answers if answer.done is not None]
        kept = [slot for slot, answer in enumerate(answers) if answer.done is None and wanted(answer.position)]
        if len(kept) < len(answers):
            answers = [answers[slot] for slot in kept]
            state.keep(kept)
        if answers:
            state.step([answer.tokens[-1] for answer in answers], activate)


def score(
    model: PreTrainedModel,
    rows: Sequence[ScoreRow],
    *,
    activate: Callable[[], None],
    wanted: Callable[[int], bool] = lambda _: True,
) -> Generator[list[tuple[int, ScoredRow]], None, None]:
    """Log-probabilities of given tokens; yields, after each forward pass, the rows it covered with their positions."""
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
        return output.logits[:, -1].float()


def _shared_prefix(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many tokens all prompts begin with, each keeping one of its own; 0 where a pass of its own would not pay."""
    if len(prompts) < 2:
        return 0
    first, last = min(prompts), max(prompts)  # in lexical order: what these two share, all share
    longest = min(len(prompt) for prompt in prompts) - 1
    shared = next((at for at in range(longest) if first[at] != last[at]), longest)
    return shared if shared >= _WORTH_SHARING else 0


def _choose(logits: Tensor, answers: Sequence[_Answer]) -> list[int]:
    likeliest: list[int] = logits.argmax(-1).tolist()
    return [
        likeliest[slot] if answer.row.temperature < _GREEDY_BELOW else _sample(logits[slot], answer)
        for slot, answer in enumerate(answers)
    ]


def _sample(logits: Tensor, answer: _Answer) -> int:
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
    top, tokens = chances.topk(min(_NUCLEUS_TOKENS, len(chances)))
    if top.sum() < top_p:
        top, tokens = chances.sort(descending=True)
    before = top.double().cumsum(0) - top
    kept = before < top_p
    return top[kept], tokens[kept]


def _note_logprobs(logits: Tensor, answers: Sequence[_Answer]) -> None:
    asked = [slot for slot, answer in enumerate(answers) if answer.row.top_logprobs is not None]
    if asked:
        found = _logprobs(
            logits[asked],
            [answers[slot].tokens[-1] for slot in asked],
            max(answers[slot].row.top_logprobs or 0 for slot in asked),
        )
        for slot, logprob in zip(asked, found, strict=True):
            top = logprob.top[: answers[slot].row.top_logprobs]
            answers[slot].logprobs.append(TokenLogprob(logprob.token, logprob.logprob, top))


def _logprobs(logits: Tensor, tokens: Sequence[int], top: int) -> list[TokenLogprob]:
    """Log-probability of `tokens[i]` under `logits[i]` (float32, [positions, vocabulary]) and the `top` likeliest."""
    normaliser = logits.logsumexp(-1)
    chosen = logits.gather(1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0] - normaliser
    values, ids = logits.topk(min(top, logits.shape[1]), dim=-1)
    likeliest = (values - normaliser[:, None]).tolist()
    return [
        TokenLogprob(token, logprob, tuple(zip(of_ids, of_values, strict=True)))
        for token, logprob, of_ids, of_values in zip(tokens, chosen.tolist(), ids.tolist(), likeliest, strict=True)
    ]


@memory_errors("scoring")
@torch.no_grad()
def _score_together(model: PreTrainedModel, rows: Sequence[ScoreRow]) -> list[ScoredRow]:
    width = max(len(row.tokens) for row in rows)
    padded = [row.tokens + (0,) * (width - len(row.tokens)) for row in rows]
    real = [[1] * len(row.tokens) + [0] * (width - len(row.tokens)) for row in rows]
    logits: Tensor = model(
        input_ids=torch.tensor(padded, device=model.device),
        attention_mask=torch.tensor(real, device=model.device),
        use_cache=False,
    ).logits
    scored: list[ScoredRow] = []
    for slot, row in enumerate(rows):
        follows = logits[slot, : len(row.tokens) - 1].float()
        scored.append([None, *_logprobs(follows, row.tokens[1:], row.top_logprobs)])
    return scored


def _finish(tokenizer: PreTrainedTokenizerBase, answer: _Answer, ends: frozenset[int]) -> DecodedRow | None:
    """The finished row, or None while it goes on."""
    ended = answer.tokens[-1] in ends
    full = len(answer.tokens) >= answer.row.max_tokens
    if not (ended or full or answer.row.stop):
        return None
    text = _text(tokenizer, answer)
    found = [(text.index(stop), stop) for stop in answer.row.stop if stop in text]
    if not (ended or full or found):
        return None
    cut, stop_reason = min(found, default=(len(text), None))
    reason: FinishReason = "stop" if ended or found else "length"
    return DecodedRow(answer.tokens, text[:cut], reason, stop_reason, answer.logprobs)


def _text(tokenizer: PreTrainedTokenizerBase, answer: _Answer) -> str:
    def plain(tokens: Sequence[int]) -> str:
        return str(tokenizer.decode(list(tokens), skip_special_tokens=True))

    before = answer.row.prompt[-_CONTEXT_TOKENS:]
    context, whole = plain(before), plain([*before, *answer.tokens])
    return whole[len(context) :] if whole.startswith(context) else plain(answer.tokens)


def _random(row: DecodeRow) -> torch.Generator:
    digest = hashlib.sha256(f"{row.seed}/{row.index}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    settings: Any = model.generation_config
    configured = settings.eos_token_id if settings is not None else None
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*listed, tokenizer.eos_token_id] if isinstance(token, int))
