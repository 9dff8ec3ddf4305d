"""Text as the simulated model reads it: tokens, sentences, questions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: up to four bytes with the blank before them, so that a token is about as long as a real one
_PIECE: Final = re.compile(rb"\s?[^\s]{1,4}|\s", re.DOTALL)
_QUESTION: Final = re.compile(r"Q: (?P<question>[^\n]+)\nA:\s*$")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD: Final = re.compile(r"\w+")
#: letters of a word that two texts on one topic share, and others seldom
_TELLING: Final = 4
_USER: Final = "<|user|>\n"
_ASSISTANT: Final = "<|assistant|>\n"


class PieceTokenizer:
    """The `Tokenizer` port: a token is a piece of up to five bytes, and its id the number that these bytes are."""

    @property
    def vocabulary(self) -> int:
        # a leading 1 keeps zero bytes; below 2^53, so that JavaScript holds every id
        return 2 << 40

    @property
    def longest_token(self) -> int:
        return 5

    def encode(self, text: str, *, special_tokens: bool) -> list[int]:
        del special_tokens  # it has none
        return [int.from_bytes(b"\1" + piece, "big") for piece in _PIECE.findall(text.encode())]

    def decode(self, tokens: Sequence[int]) -> str:
        return b"".join(map(self.token_bytes, tokens)).decode(errors="replace")

    def token_bytes(self, token: int) -> bytes:
        whole = token.to_bytes((token.bit_length() + 7) // 8, "big")
        return whole[1:]

    def render(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool, variables: Mapping[str, object]
    ) -> str | None:
        del variables  # its template reads none
        written = "".join(f"<|{message['role']}|>\n{message['content']}\n" for message in messages)
        return written + (_ASSISTANT if add_generation_prompt else "")


@dataclass(frozen=True)
class Fact:
    """Something that can be asked: a sentence, or a question with its answer."""

    cue: str
    answer: str | None = None


@dataclass(frozen=True)
class Asked:
    """A prompt taken apart.

    Attributes:
        question: the question that it ends with; None where it asks for a text.
        passage: what stands before the question, or the text that is to be worked on.
    """

    question: str | None
    passage: str


def read_prompt(prompt: str) -> Asked:
    """Take a prompt apart; of a conversation, its last user message."""
    text = prompt.rpartition(_USER)[2].removesuffix(_ASSISTANT).strip() if _USER in prompt else prompt
    if (found := _QUESTION.search(text)) is not None:
        return Asked(found["question"].strip(), text[: found.start()].strip())
    # an instruction before or after the passage is a paragraph too, and the shorter one
    return Asked(None, max(text.split("\n\n"), key=len))


def facts_of(text: str) -> list[Fact]:
    """The sentences of a text."""
    return [Fact(sentence.strip()) for sentence in _SENTENCE_END.split(text) if len(words_of(sentence)) > 1]


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def answer_from(facts: Sequence[Fact], question: str, max_words: int = 12) -> str | None:
    """The answer that facts have for a question; None where no fact shares a word of four letters or more with it."""
    asked = set(words_of(question))

    def shared(fact: Fact) -> set[str]:
        return asked.intersection(words_of(fact.cue))

    best = max(facts, key=lambda fact: sum(map(len, shared(fact))), default=None)
    if best is None or max(map(len, shared(best)), default=0) < _TELLING:
        return None
    if best.answer is not None:
        return best.answer
    news = [word for word in _WORD.findall(best.cue) if word.lower() not in asked]
    return " ".join(news[:max_words]) or best.cue
