"""Rows that are generated or scored: what is asked (`rows`) and how an answer grows (`sampling`)."""

from .rows import DecodedRow, DecodeRow, FinishReason, ScoredRow, ScoreRow, TokenLogprob
from .sampling import Answer, Endings, extend, token_logprobs

__all__ = [
    "Answer",
    "DecodeRow",
    "DecodedRow",
    "Endings",
    "FinishReason",
    "ScoreRow",
    "ScoredRow",
    "TokenLogprob",
    "extend",
    "token_logprobs",
]
