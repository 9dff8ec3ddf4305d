"""Tokens in answers: each by its own bytes, which may be a part of a character."""

import codecs
import math
from collections.abc import Sequence
from typing import Any

from ...ports import Tokenizer
from ...rows import ScoredRow, TokenLogprob

Json = dict[str, Any]


def completion_logprobs(tokenizer: Tokenizer, tokens: Sequence[int], logprobs: ScoredRow, offset: int = 0) -> Json:
    """The `logprobs` of a completion's choice; the tokens begin at character `offset` of its text."""
    return {
        "tokens": [_name(tokenizer, token) for token in tokens],
        "token_logprobs": [None if found is None else _finite(found.logprob) for found in logprobs],
        "top_logprobs": [None if found is None else _likeliest(tokenizer, found) for found in logprobs],
        "text_offset": text_offsets(tokenizer, tokens, offset),
    }


def chat_logprob(tokenizer: Tokenizer, found: TokenLogprob) -> Json:
    """One entry of a message's `logprobs`."""

    def entry(token: int, logprob: float) -> Json:
        own = tokenizer.token_bytes(token)
        text = _text(own)
        return {"token": _escaped(own) if text is None else text, "logprob": _finite(logprob), "bytes": list(own)}

    return {**entry(found.token, found.logprob), "top_logprobs": [entry(*likely) for likely in found.top]}


def text_offsets(tokenizer: Tokenizer, tokens: Sequence[int], offset: int = 0) -> list[int]:
    """Where each token begins in the tokens' text, in characters; one within a character begins where that does."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    offsets: list[int] = []
    for token in tokens:
        offsets.append(offset)
        offset += len(decoder.decode(tokenizer.token_bytes(token)))
    return offsets


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
