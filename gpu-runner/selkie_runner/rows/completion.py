"""A completion under way, and when it is finished."""

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch

from .detokenizer import Detokenizer
from .rows import AnswerDelta, DecodedRow, DecodeRow, TokenLogprob


@dataclass
class Completion:
    """A row under way.

    Attributes:
        random: makes the row's random numbers, which follow from its seed and index alone.
        text: of `tokens`, without special tokens; it is kept up to date for rows with `stop` or `on_delta` only.
        checked: characters of `text` in which no stop string ends.
        sent: characters of `text` that `on_delta` has.
        counts: occurrences in the answer of each token that a penalty looks at; 0 for those of the prompt alone.
    """

    row: DecodeRow
    random: torch.Generator
    detokenizer: Detokenizer
    tokens: list[int] = field(default_factory=list[int])
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    text: str = ""
    checked: int = 0
    sent: int = 0
    counts: Counter[int] = field(default_factory=Counter[int])

    @classmethod
    def begin(cls, row: DecodeRow, detokenizer: Detokenizer) -> "Completion":
        """A completion without a token."""
        digest = hashlib.sha256(f"{row.seed}/{row.index}".encode()).digest()
        random = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        counts = Counter(dict.fromkeys(row.prompt, 0)) if row.repetition_penalty != 1 else Counter[int]()
        return cls(row, random, detokenizer, counts=counts)

    def draw(self) -> float:
        """The row's next random number, uniform in [0, 1)."""
        return torch.rand(1, generator=self.random, dtype=torch.float64).item()

    def append(self, token: int, logprob: TokenLogprob | None) -> None:
        """Take the next token; `logprob` is None where the row asks for none."""
        self.tokens.append(token)
        if logprob is not None:
            self.logprobs.append(logprob)
        row = self.row
        if row.repetition_penalty != 1 or row.frequency_penalty or row.presence_penalty:
            self.counts[token] += 1

    def advance(self, ends: Collection[int]) -> DecodedRow | None:
        """Deliver the last token to `on_delta`; the finished row, or None while it is unfinished.

        Args:
            ends: tokens that end an answer.
        """
        row = self.row
        ended = self.tokens[-1] in ends and not row.ignore_eos
        last = ended or len(self.tokens) >= row.max_tokens
        if not (last or row.stop or row.on_delta):
            return None
        incremental = row.stop or row.on_delta
        new = self.tokens[-1:] if incremental else self.tokens
        self.text += self.detokenizer.add(new[:-1] if ended else new)
        if last:
            self.text += self.detokenizer.flush()
        stop = self._find_stop()
        done: DecodedRow | None = None
        if stop is not None:
            self.text = self.text[: stop[0]]
        if last or stop is not None:
            reason = "stop" if ended or stop is not None else "length"
            done = DecodedRow(self.tokens, self.text, reason, None if stop is None else stop[1], self.logprobs)
        if row.on_delta is not None:
            upto = len(self.text) - (0 if done else _withheld(self.text, row.stop))
            row.on_delta(AnswerDelta(self.text[self.sent : upto], (self.tokens[-1],), tuple(self.logprobs[-1:])))
            self.sent = upto
        return done

    def _find_stop(self) -> tuple[int, str] | None:
        """Where the first stop string begins that ends in text not checked before, and the string."""
        checked, self.checked = self.checked, len(self.text)
        if len(self.tokens) <= self.row.min_tokens:
            return None
        found = [(self.text.find(stop, max(0, checked - len(stop) + 1)), stop) for stop in self.row.stop]
        return min((one for one in found if one[0] >= 0), default=None)


def _withheld(text: str, stops: Sequence[str]) -> int:
    """Characters at the end of a text that may be the beginning of a stop string."""
    return max(
        (size for stop in stops for size in range(1, min(len(stop), len(text) + 1)) if text.endswith(stop[:size])),
        default=0,
    )
