"""Which token comes next, for all rows of a pass at once and on their device.

What a row draws depends on its own logits, parameters and random number: no operation here mixes rows.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from .rows import DecodeRow, TokenLogprob

#: below this a temperature is greedy, as in vLLM
_GREEDY_BELOW: Final = 1e-5
#: a CPU looks for the tokens to keep first among those at least this likely: sorting all of them takes 30 times as long
_FLOORS: Final = (1e-3, 1e-5, 0.0)
#: tokens whose chances are added up in the logits' own type; adding all up in doubles takes 10 times as long
_BLOCK: Final = 256


def is_greedy(row: DecodeRow) -> bool:
    """Whether the row takes the likeliest token."""
    return row.temperature < _GREEDY_BELOW


def choose_tokens(logits: Tensor, rows: Sequence[DecodeRow], draws: Sequence[float]) -> Tensor:
    """The next token of each row: [rows].

    Args:
        logits: [rows, vocabulary], at least float32, biases and penalties applied.
        draws: of each row, uniform in [0, 1); greedy rows use none.
    """
    greedy = [slot for slot, row in enumerate(rows) if is_greedy(row)]
    plain = [slot for slot, row in enumerate(rows) if not is_greedy(row) and not _filters(row)]
    filtered = [slot for slot, row in enumerate(rows) if not is_greedy(row) and _filters(row)]
    tokens = torch.empty(len(rows), dtype=torch.long, device=logits.device)
    if greedy:
        slots, of_greedy = _select(logits, greedy)
        tokens[slots] = of_greedy.argmax(-1)
    if plain:
        slots, of_plain = _select(logits, plain)
        [drawn] = _doubles([[draws[slot] for slot in plain]], logits.device)
        tokens[slots] = _draw(_chances(of_plain, [rows[slot] for slot in plain]), drawn)
    if filtered:
        slots, of_filtered = _select(logits, filtered)
        asked = [rows[slot] for slot in filtered]
        limits = _doubles(
            [
                [draws[slot] for slot in filtered],
                [row.min_p for row in asked],
                [row.top_k or logits.shape[1] for row in asked],
                [row.top_p for row in asked],
            ],
            logits.device,
        )
        tokens[slots] = _draw_filtered(_chances(of_filtered, asked), limits)
    return tokens


def _filters(row: DecodeRow) -> bool:
    return row.top_p < 1 or row.top_k > 0 or row.min_p > 0


def _select(logits: Tensor, slots: Sequence[int]) -> tuple[Tensor, Tensor]:
    at = torch.tensor(slots).to(logits.device, non_blocking=True)
    return at, logits if len(slots) == logits.shape[0] else logits[at]


def _doubles(columns: Sequence[Sequence[float]], device: torch.device) -> Tensor:
    return torch.tensor(columns, dtype=torch.float64).to(device, non_blocking=True)


def _chances(logits: Tensor, rows: Sequence[DecodeRow]) -> Tensor:
    temperatures = torch.tensor([row.temperature for row in rows], dtype=logits.dtype)
    return (logits / temperatures.to(logits.device, non_blocking=True)[:, None]).softmax(-1)


def _draw(chances: Tensor, draws: Tensor) -> Tensor:
    """Draw by inverting the cumulative distribution, first over blocks of tokens, then within one."""
    vocabulary = chances.shape[1]
    blocks = functional.pad(chances, (0, -vocabulary % _BLOCK)).unflatten(1, (-1, _BLOCK)).cumsum(-1)
    ends = blocks[:, :, -1].double().cumsum(-1)
    wanted = draws[:, None] * ends[:, -1:]
    block = torch.searchsorted(ends, wanted, right=True).clamp(max=ends.shape[1] - 1)
    before = functional.pad(ends, (1, 0)).gather(1, block)
    within = blocks.gather(1, block[:, :, None].expand(-1, 1, _BLOCK))[:, 0].double()
    place = torch.searchsorted(within, wanted - before, right=True).clamp(max=_BLOCK - 1)
    return (block * _BLOCK + place)[:, 0].clamp(max=vocabulary - 1)


def _draw_filtered(chances: Tensor, limits: Tensor) -> Tensor:
    """Draw from the tokens that `min_p`, `top_k` and `top_p` leave.

    Args:
        limits: [4, rows] draws, `min_p`, `top_k`, `top_p`.
    """
    if chances.device.type != "cpu":
        # sorting is fast there, and finding out whether part of the tokens is enough waits for the device
        return _draw_sorted(*chances.sort(dim=-1, descending=True, stable=True), chances.shape[1], limits)
    tokens = torch.empty(chances.shape[0], dtype=torch.long)
    left = torch.arange(chances.shape[0])
    for floor in _FLOORS:
        likely, ids = _at_least(chances[left], floor)
        enough = _holds_what_is_kept(likely, floor, limits[:, left])
        tokens[left[enough]] = _draw_sorted(likely[enough], ids[enough], chances.shape[1], limits[:, left[enough]])
        left = left[~enough]
        if not len(left):
            break
    return tokens


def _at_least(chances: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """Chances of at least `floor`, the largest first, and their tokens; shorter rows end in zeros."""
    if floor == 0:
        return chances.sort(dim=-1, descending=True, stable=True)
    rows, found = (chances >= floor).nonzero(as_tuple=True)
    counts = rows.bincount(minlength=chances.shape[0])
    places = torch.arange(len(rows)) - (counts.cumsum(0) - counts)[rows]
    width = max(1, int(counts.max()))
    likely, ids = chances.new_zeros(len(chances), width), found.new_zeros(len(chances), width)
    likely[rows, places] = chances[rows, found]
    ids[rows, places] = found
    likely, order = likely.sort(dim=-1, descending=True, stable=True)
    return likely, ids.gather(1, order)


def _holds_what_is_kept(likely: Tensor, floor: float, limits: Tensor) -> Tensor:
    """[rows] whether no token below `floor` is kept."""
    _, min_p, top_k, top_p = limits
    by_min_p = (min_p > 0) & (min_p * likely[:, 0] >= floor)
    by_top_k = (likely > 0).sum(-1) >= top_k
    by_top_p = likely.double().sum(-1) >= top_p
    return by_min_p | by_top_k | by_top_p | (floor == 0)


def _draw_sorted(likely: Tensor, ids: Tensor, vocabulary: int, limits: Tensor) -> Tensor:
    """Draw from the tokens kept of each row: `likely` [rows, N] has the largest chances first, `ids` their tokens."""
    draws, min_p, top_k, top_p = limits
    sums = likely.double().cumsum(-1)
    by_min_p = torch.where(min_p > 0, (likely >= min_p[:, None] * likely[:, :1]).sum(-1), vocabulary)
    left = torch.minimum(by_min_p, top_k.long()).clamp(min=1)
    # the chance of what top_p chooses from: all of it, unless tokens were dropped
    whole = torch.where(left < vocabulary, _at(sums, left - 1), 1.0)
    by_top_p = (sums - likely < (top_p * whole)[:, None]).sum(-1)
    kept = torch.minimum(torch.minimum(left, by_top_p), (likely > 0).sum(-1)).clamp(min=1)
    wanted = draws * _at(sums, kept - 1)
    place = torch.searchsorted(sums, wanted[:, None], right=True)[:, 0]
    return ids.gather(1, torch.minimum(place, kept - 1)[:, None])[:, 0]


def _at(values: Tensor, places: Tensor) -> Tensor:
    """One value of each row: [rows]."""
    return values.gather(1, places.clamp(max=values.shape[1] - 1)[:, None])[:, 0]


def token_logprobs(logits: Tensor, tokens: Tensor, top: int) -> list[TokenLogprob]:
    """Log-probability of `tokens[i]` under `logits[i]` [positions, vocabulary], and the `top` likeliest tokens."""
    normaliser = logits.logsumexp(-1, keepdim=True)
    chosen = (logits.gather(1, tokens[:, None]) - normaliser)[:, 0]
    values, ids = logits.topk(min(top, logits.shape[1]), dim=-1)
    columns = (tokens.tolist(), chosen.tolist(), ids.tolist(), (values - normaliser).tolist())
    return [
        TokenLogprob(token, logprob, tuple(zip(of_ids, of_values, strict=True)))
        for token, logprob, of_ids, of_values in zip(*columns, strict=True)
    ]
