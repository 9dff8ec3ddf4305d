"""The parts of a choice in a stream: how it opens, what each step adds, how it ends."""

from collections.abc import Sequence
from typing import Any, Protocol

from ...ports import Tokenizer
from ...rows import AnswerDelta, DecodedRow, ScoredRow
from .asked import Asked
from .head import Kind
from .openai import ChatRequest, CompletionRequest
from .token_names import TextOffsets, chat_logprob, completion_logprobs

Json = dict[str, Any]


class Chunks(Protocol):
    """Writes the parts of every choice of one request; None for a part that has nothing."""

    @property
    def kind(self) -> Kind:
        """What each chunk is called."""
        ...

    def opening(self, at: int) -> Json | None:
        """What choice `at` begins with."""
        ...

    def delta(self, at: int, delta: AnswerDelta) -> Json | None:
        """What a step added to it."""
        ...

    def ending(self, at: int, answer: DecodedRow) -> Json:
        """Why it ended."""
        ...


class CompletionChunks:
    """Of a completion; with `echo` a choice opens with its prompt."""

    kind: Kind = "text_completion"

    def __init__(
        self, tokenizer: Tokenizer, request: CompletionRequest, asked: Asked, scores: Sequence[ScoredRow]
    ) -> None:
        self._tokenizer = tokenizer
        self._request = request
        self._asked = asked
        self._scores = scores
        self._offsets = [TextOffsets(tokenizer) for _ in range(len(asked.prompts) * asked.n)]

    def opening(self, at: int) -> Json | None:
        if not self._request.echo:
            return None
        prompt = self._asked.prompts[at // self._asked.n]
        scored = self._scores[at // self._asked.n] if self._scores else []
        return self._choice(at, prompt.text, prompt.ids, scored)

    def delta(self, at: int, delta: AnswerDelta) -> Json | None:
        if not delta.text and self._request.logprobs is None:
            return None
        return self._choice(at, delta.text, delta.tokens, list(delta.logprobs))

    def ending(self, at: int, answer: DecodedRow) -> Json:
        ends = {"finish_reason": answer.finish_reason, "stop_reason": answer.stop_reason}
        return {"index": at, "text": "", "logprobs": None, **ends}

    def _choice(self, at: int, text: str, tokens: Sequence[int], logprobs: ScoredRow) -> Json:
        asked = self._request.logprobs is not None
        named = completion_logprobs(self._tokenizer, tokens, logprobs, self._offsets[at]) if asked else None
        return {"index": at, "text": text, "logprobs": named, "finish_reason": None, "stop_reason": None}


class ChatChunks:
    """Of a chat's answer, which opens with its role."""

    kind: Kind = "chat.completion.chunk"

    def __init__(self, tokenizer: Tokenizer, request: ChatRequest) -> None:
        self._tokenizer = tokenizer
        self._request = request

    def opening(self, at: int) -> Json | None:
        return self._choice(at, {"role": "assistant", "content": ""})

    def delta(self, at: int, delta: AnswerDelta) -> Json | None:
        if not self._request.logprobs:
            return self._choice(at, {"content": delta.text}) if delta.text else None
        content = [chat_logprob(self._tokenizer, found) for found in delta.logprobs]
        return {**self._choice(at, {"content": delta.text}), "logprobs": {"content": content}}

    def ending(self, at: int, answer: DecodedRow) -> Json:
        ends = {"finish_reason": answer.finish_reason, "stop_reason": answer.stop_reason}
        return {**self._choice(at, {}), **ends}

    def _choice(self, at: int, delta: Json) -> Json:
        return {"index": at, "delta": delta, "logprobs": None, "finish_reason": None}
