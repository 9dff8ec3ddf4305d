"""Rows that are generated or scored: what is asked (`rows`), and how an answer grows (`sampling`)."""

from .rows import DecodedRow, DecodeRow, FinishReason, ScoredRow, ScoreRow, TokenLogprob

__all__ = ["DecodeRow", "DecodedRow", "FinishReason", "ScoreRow", "ScoredRow", "TokenLogprob"]
