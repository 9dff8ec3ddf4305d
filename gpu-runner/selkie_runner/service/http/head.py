"""What every answer has besides its choices."""

import time
import uuid
from collections.abc import Sequence
from typing import Any, Final, Literal

from ...ports import ServedAdapter
from ...rows import DecodedRow
from ..runner import Runner
from .asked import Asked

Json = dict[str, Any]
Kind = Literal["text_completion", "chat.completion", "chat.completion.chunk"]

_ID_PREFIX: Final[dict[Kind, str]] = {
    "text_completion": "cmpl",
    "chat.completion": "chatcmpl",
    "chat.completion.chunk": "chatcmpl",
}


def head_of(runner: Runner, adapter: ServedAdapter | None, kind: Kind) -> Json:
    """Who answers what, and when."""
    return {
        "id": f"{_ID_PREFIX[kind]}-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": runner.model.name if adapter is None else adapter.name,
    }


def usage_of(asked: Asked, answers: Sequence[DecodedRow]) -> Json:
    """Tokens read and produced; a prompt with several answers counts once."""
    read = sum(len(prompt.ids) for prompt in asked.prompts)
    produced = sum(len(answer.tokens) for answer in answers)
    return {"prompt_tokens": read, "completion_tokens": produced, "total_tokens": read + produced}


def count_tokens(runner: Runner, usage: Json) -> None:
    """Add an answer to the metrics."""
    runner.metrics.prompt_tokens.inc(usage["prompt_tokens"])
    runner.metrics.generated_tokens.inc(usage["completion_tokens"])
