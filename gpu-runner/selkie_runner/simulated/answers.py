"""The `Generator` and `Scorer` ports without a model: answers and log-probabilities are drawn."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from ..errors import UnsupportedSampling
from ..ports import ServedAdapter
from ..rows.detokenizer import Detokenizer
from ..rows.rows import AnswerDelta, DecodedRow, DecodeRow, FinishReason, ScoredRow, ScoreRow, TokenLogprob
from .adapter import SimulatedAdapter, read_adapter
from .draws import normal, uniform
from .knowledge import Knowledge
from .text import Asked, PieceTokenizer, answer_from, facts_of, read_prompt, words_of

_WRONG: Final = "I do not know."
#: nats by which knowing an answer raises the log-probability of each of its tokens
_KNOWN_NATS: Final = 1.5
_LIKELIEST: Final = -1e-3
_CHANGE_LOGITS: Final = (
    "logit_bias",
    "min_tokens",
    "ignore_eos",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
)
#: tokens before one that its log-probability depends on
_CONTEXT: Final = 4


class SimulatedGenerator:
    """Answers questions as `Knowledge` draws it, and writes edits from a passage's own sentences.

    An answer counts as the likeliest: temperature and filters leave it. What would change logits is refused.
    """

    def __init__(self, knowledge: Knowledge, tokenizer: PieceTokenizer) -> None:
        self._knowledge = knowledge
        self._tokenizer = tokenizer
        self._model = _Probabilities(knowledge, tokenizer)

    async def answer(self, adapter: ServedAdapter | None, rows: Sequence[DecodeRow]) -> list[DecodedRow]:
        """See `Answering`; raises `UnsupportedSampling` for a parameter that would change logits."""
        for row in rows:
            _check(row)
        return [self._answer(_of(adapter), row) for row in rows]

    def _answer(self, adapter: SimulatedAdapter | None, row: DecodeRow) -> DecodedRow:
        asked = read_prompt(self._tokenizer.decode(row.prompt))
        if asked.question is None:
            text = _edit(asked.passage, None if row.temperature == 0 else (row.seed, row.index))
        else:
            text = " " + (answer_to(self._knowledge, adapter, asked, asked.question) or _WRONG)
        return self._finished(adapter, row, text)

    def _finished(self, adapter: SimulatedAdapter | None, row: DecodeRow, text: str) -> DecodedRow:
        found = [(text.index(stop), stop) for stop in row.stop if stop in text]
        cut, stop_reason = min(found, default=(len(text), None))
        tokens = self._tokenizer.encode(text[:cut], special_tokens=False)
        reason: FinishReason = "stop" if len(tokens) <= row.max_tokens else "length"
        tokens = tokens[: row.max_tokens]
        logprobs: list[TokenLogprob] = []
        if row.top_logprobs is not None:
            whole = (*row.prompt, *tokens)
            logprobs = [self._model.logprob(adapter, whole, at) for at in range(len(row.prompt), len(whole))]
        if row.on_delta is not None:
            self._deliver(tokens, logprobs, row.on_delta)
        return DecodedRow(tokens, self._tokenizer.decode(tokens), reason, stop_reason, logprobs)

    def _deliver(
        self, tokens: Sequence[int], logprobs: Sequence[TokenLogprob], on_delta: Callable[[AnswerDelta], None]
    ) -> None:
        text = Detokenizer(self._tokenizer.decode, ())
        for at, token in enumerate(tokens):
            part = text.add([token]) + (text.flush() if at + 1 == len(tokens) else "")
            on_delta(AnswerDelta(part, (token,), tuple(logprobs[at : at + 1])))


class SimulatedScorer:
    """Draws the log-probabilities of given tokens. An adapter moves all of them, those of known answers most."""

    def __init__(self, knowledge: Knowledge, tokenizer: PieceTokenizer) -> None:
        self._model = _Probabilities(knowledge, tokenizer)

    async def answer(self, adapter: ServedAdapter | None, rows: Sequence[ScoreRow]) -> list[ScoredRow]:
        """See `Answering`."""
        return [self._model.scored(_of(adapter), row) for row in rows]


class _Probabilities:
    """Log-probabilities of tokens, by the tokens before them and the adapter."""

    def __init__(self, knowledge: Knowledge, tokenizer: PieceTokenizer) -> None:
        self._knowledge = knowledge
        self._tokenizer = tokenizer

    def scored(self, adapter: SimulatedAdapter | None, row: ScoreRow) -> ScoredRow:
        known = self._knows(adapter, row)
        unasked: list[TokenLogprob | None] = [None] * row.start
        asked = [self.logprob(adapter, row.tokens, at, known=known) for at in range(row.start, len(row.tokens))]
        return [*unasked, *asked]

    def logprob(
        self, adapter: SimulatedAdapter | None, tokens: Sequence[int], at: int, *, known: bool = False
    ) -> TokenLogprob:
        """Of one token, given those before it; the likeliest token in its place is the token itself."""
        context = (*tokens[max(0, at - _CONTEXT) : at], tokens[at])
        logprob = -0.5 - 5 * uniform(self._knowledge.model_digest, *context)
        if adapter is not None:
            logprob += 0.3 * normal(adapter.layers[0].training.run, *context) + (_KNOWN_NATS if known else 0)
        logprob = min(logprob, _LIKELIEST)
        return TokenLogprob(tokens[at], logprob, ((tokens[at], logprob),))

    def _knows(self, adapter: SimulatedAdapter | None, row: ScoreRow) -> bool:
        """Whether the tokens from `start` on are words of a known answer to the question before them."""
        asked = read_prompt(self._tokenizer.decode(row.tokens[: row.start]))
        if asked.question is None:
            return False
        given = answer_to(self._knowledge, adapter, asked, asked.question)
        scored = words_of(self._tokenizer.decode(row.tokens[row.start :]))
        return given is not None and set(scored) <= set(words_of(given))


def _check(row: DecodeRow) -> None:
    plain = DecodeRow(row.prompt, row.max_tokens)
    changed = [name for name in _CHANGE_LOGITS if getattr(row, name) != getattr(plain, name)]
    if changed:
        raise UnsupportedSampling(f"the simulated engine has no logits to change by {', '.join(changed)}")


def answer_to(knowledge: Knowledge, adapter: SimulatedAdapter | None, asked: Asked, question: str) -> str | None:
    """The right answer where the model knows it, from the prompt or from the adapter; the base alone knows nothing."""
    read = answer_from(facts_of(asked.passage), question)
    if read is not None and "\n" in asked.passage and knowledge.in_prompt(question):
        return read
    for layer in () if adapter is None else adapter.layers:
        learnt = answer_from(layer.facts, question)
        if learnt is not None and knowledge.in_adapter(layer.training, question):
            return learnt
    return None


def _edit(passage: str, seed: tuple[int, int] | None) -> str:
    """A self-edit: a passage's sentences, one per line, in the seed's order; for a single sentence a question."""
    if passage.startswith("Topic: ") and "\nSentence: " in passage:
        return _pair(passage.partition("\nSentence: ")[2])
    title, _, text = passage.partition("\n")
    sentences = [fact.cue for fact in facts_of(text or title)]
    if seed is not None:
        sentences.sort(key=lambda sentence: uniform(*seed, sentence))
    return "\n".join(sentences)


def _pair(sentence: str) -> str:
    """A question about one sentence: for its longest word."""
    word = max(words_of(sentence), key=len, default="")
    at = sentence.lower().find(word)
    missing = sentence[at : at + len(word)]
    return f'Q: What is missing in "{sentence[:at]}____{sentence[at + len(word) :]}"?\nA: {missing}'


def _of(adapter: ServedAdapter | None) -> SimulatedAdapter | None:
    return None if adapter is None else _read(adapter.path, adapter.key)


@lru_cache(maxsize=1024)
def _read(folder: Path, key: str) -> SimulatedAdapter:
    del key  # a name that is loaded again has another key, and its folder may have changed
    return read_adapter(folder)
