"""Rows that are generated or scored: what is asked (`rows`), and how an answer grows (`answers`)."""

from .rows import AnswerDelta, DecodedRow, DecodeRow, FinishReason, ScoredRow, ScoreRow, TokenLogprob

__all__ = ["AnswerDelta", "DecodeRow", "DecodedRow", "FinishReason", "ScoreRow", "ScoredRow", "TokenLogprob"]
