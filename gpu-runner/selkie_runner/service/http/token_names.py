"""Tokens in answers: each by its own bytes, which may be a part of a character."""

import codecs
import math
from collections.abc import Sequence
from typing import Any

from ...ports import Tokenizer
from ...rows import ScoredRow, TokenLogprob

Json = dict[str, Any]


class TextOffsets:
    """Where each token of a text begins, in characters; one within a character begins where that does."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._characters = 0

    def of(self, tokens: Sequence[int]) -> list[int]:
        """Offsets of the text's next tokens."""
        offsets: list[int] = []
        for token in tokens:
            offsets.append(self._characters)
            self._characters += len(self._decoder.decode(self._tokenizer.token_bytes(token)))
        return offsets


def completion_logprobs(
    tokenizer: Tokenizer, tokens: Sequence[int], logprobs: ScoredRow, offsets: TextOffsets | None = None
) -> Json:
    """The `logprobs` of a completion's choice, or of its part that continues at `offsets`."""
    return {
        "tokens": [_name(tokenizer, token) for token in tokens],
        "token_logprobs": [None if found is None else _finite(found.logprob) for found in logprobs],
        "top_logprobs": [None if found is None else _likeliest(tokenizer, found) for found in logprobs],
        "text_offset": (offsets or TextOffsets(tokenizer)).of(tokens),
    }


def chat_logprob(tokenizer: Tokenizer, found: TokenLogprob) -> Json:
    """One entry of a message's `logprobs`."""

    def entry(token: int, logprob: float) -> Json:
        own = tokenizer.token_bytes(token)
        text = _text(own)
        return {"token": _escaped(own) if text is None else text, "logprob": _finite(logprob), "bytes": list(own)}

    return {**entry(found.token, found.logprob), "top_logprobs": [entry(*likely) for likely in found.top]}


def _likeliest(tokenizer: Tokenizer, found: TokenLogprob) -> dict[str, float]:
    """The token itself and the likeliest in its place. Of tokens that read alike the first counts."""
    by_name: dict[str, float] = {}
    for token, logprob in ((found.token, found.logprob), *found.top):
        by_name.setdefault(_name(tokenizer, token), _finite(logprob))
    return by_name


def _name(tokenizer: Tokenizer, token: int) -> str:
    """Its text, or OpenAI's word for bytes that are none."""
    own = tokenizer.token_bytes(token)
    text = _text(own)
    return f"bytes:{_escaped(own)}" if text is None else text


def _text(own: bytes) -> str | None:
    try:
        return own.decode()
    except UnicodeDecodeError:
        return None


def _escaped(own: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in own)


def _finite(logprob: float) -> float:
    """JSON has no infinity; -9999 is what vLLM says for an impossible token."""
    return logprob if math.isfinite(logprob) else -9999.0
