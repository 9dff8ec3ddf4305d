"""Answers and scores: what is asked (`rows`), how an answer grows (`answers`), the `reference` way to compute."""

from .answers import Answer, Endings, extend, token_logprobs
from .reference import decode, score
from .rows import DecodedRow, DecodeRow, FinishReason, ScoredRow, ScoreRow, TokenLogprob

__all__ = [
    "Answer",
    "DecodeRow",
    "DecodedRow",
    "Endings",
    "FinishReason",
    "ScoreRow",
    "ScoredRow",
    "TokenLogprob",
    "decode",
    "extend",
    "score",
    "token_logprobs",
]
