"""A row that the engine was asked to answer or score, and the future that gets the outcome."""

import time
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from ...rows import DecodeRow, ScoreRow
from ...rows.completion import Completion
from ..lora.frozen import FrozenAdapter
from .adapter_source import AdapterSource
from .forward import ForwardRow
from .prefix_cache import Prompt


@dataclass
class Request:
    """One row, waiting or in a slot.

    Attributes:
        answer: what was generated so far; None for a score.
        layers: of its adapter, while `acquire_adapter` holds them.
        length: positions that its slot holds in all layers.
        arrived: by `time.monotonic`.
    """

    row: DecodeRow | ScoreRow
    prompt: Prompt
    future: Future[Any]
    answer: Completion | None
    layers: tuple[FrozenAdapter, ...] = ()
    length: int = 0
    arrived: float = field(default_factory=time.monotonic)
    _held: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def answering(cls, answer: Completion, future: Future[Any], adapter: AdapterSource) -> "Request":
        row = answer.row
        return cls(row, Prompt(adapter, row.prompt, len(row.prompt) - 1), future, answer)

    @classmethod
    def scoring(cls, row: ScoreRow, future: Future[Any], adapter: AdapterSource) -> "Request":
        # nothing is predicted after the last token of a score
        return cls(row, Prompt(adapter, row.tokens[:-1], row.start - 1), future, None)

    @property
    def in_prefill(self) -> bool:
        """Whether its prompt is still to be computed."""
        return self.answer is None or not self.answer.tokens

    @property
    def max_length(self) -> int:
        """Positions that its slot may come to hold."""
        return len(self.prompt.tokens) + (self.row.max_tokens if isinstance(self.row, DecodeRow) else 0)

    def decode_row(self) -> ForwardRow:
        """Its part of a pass after its prompt: the last token of its answer."""
        assert self.answer is not None
        return ForwardRow(self.answer.tokens[-1:], self.length, 0, self.prompt.adapter.key, self.layers)

    def acquire_adapter(self) -> bool:
        """Have its adapter on the device. False if that failed; the future then has the error."""
        try:
            self.layers = tuple(self._held.enter_context(self.prompt.adapter.hold()))
        except Exception as error:
            self.fail(error)
            return False
        return True

    def release_adapter(self) -> None:
        """Let the device drop its adapter."""
        self._held.close()

    def resolve(self, outcome: object) -> None:
        """Give the future its result, or its error where `outcome` is one."""
        if not self.future.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)

    def fail(self, error: Exception) -> None:
        """Release the adapter and give the future an error, unless it is done."""
        self.release_adapter()
        if not self.future.done():
            self.resolve(error)
