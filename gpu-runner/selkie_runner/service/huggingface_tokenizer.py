"""The `Tokenizer` port over a tokenizer of transformers."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, cast

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from ..ports import TemplateRefused

#: a template is a program: what it raises over a client's words is an answer to them
_TEMPLATE_ERRORS: Final = (TemplateError, TypeError, ValueError, LookupError, ArithmeticError)
_SPACE: Final = "▁"


class HuggingFaceTokenizer:
    """Reads and writes as the model was trained to."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._bytes: dict[int, bytes] = {}
        self.longest_token = max(map(len, tokenizer.get_vocab()))

    @property
    def vocabulary(self) -> int:
        return len(self._tokenizer)

    def encode(self, text: str, *, special_tokens: bool) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=special_tokens))

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens)))

    def token_bytes(self, token: int) -> bytes:
        found = self._bytes.get(token)
        if found is None:
            found = self._bytes[token] = self._bytes_of(token)
        return found

    def render(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool, variables: Mapping[str, object]
    ) -> str | None:
        if self._tokenizer.chat_template is None:
            return None
        settings = sorted(variables.keys() & _SETTINGS)
        if settings:
            raise TemplateRefused(f"chat_template_kwargs: {', '.join(settings)} is a setting of the server")
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    [dict(message) for message in messages],
                    add_generation_prompt=add_generation_prompt,
                    tokenize=False,
                    **cast(dict[str, Any], variables),
                )
            )
        except _TEMPLATE_ERRORS as error:
            raise TemplateRefused(f"the model's chat template does not take this conversation: {error}") from error

    def _bytes_of(self, token: int) -> bytes:
        added = self._tokenizer.added_tokens_decoder.get(token)
        if added is not None:
            return added.content.encode()
        piece = cast("str | None", self._tokenizer.convert_ids_to_tokens(token))
        # a model's embedding may have more rows than its tokenizer has tokens
        return b"" if piece is None else self._piece_bytes(piece)

    @cached_property
    def _piece_bytes(self) -> Callable[[str], bytes]:
        """From a piece of the vocabulary to its bytes."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        kinds = set[str]() if backend is None else _kinds(json.loads(backend.to_str())["decoder"])
        if "ByteLevel" in kinds:
            return _byte_level
        if kinds & {"Metaspace", "ByteFallback"}:
            return _sentence_piece
        return lambda piece: str(self._tokenizer.convert_tokens_to_string([piece])).encode()


#: what `apply_chat_template` takes for itself
_SETTINGS: Final = frozenset(inspect.signature(PreTrainedTokenizerBase.apply_chat_template).parameters) - {"kwargs"}


def _kinds(decoder: Mapping[str, Any] | None) -> set[str]:
    """Types of a decoder and of those that it is made of."""
    if decoder is None:
        return set()
    return {decoder["type"]}.union(*(_kinds(part) for part in decoder.get("decoders", ())))


def _letters() -> dict[str, int]:
    """GPT-2's letters for bytes: a printable one for itself, the others from U+0100 on."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + at): byte for at, byte in enumerate(others)}


_BYTE_OF: Final = _letters()


def _byte_level(piece: str) -> bytes:
    return b"".join(bytes([_BYTE_OF[letter]]) if letter in _BYTE_OF else letter.encode() for letter in piece)


def _sentence_piece(piece: str) -> bytes:
    if len(piece) == len("<0x00>") and piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:5], 16)])
    return piece.replace(_SPACE, " ").encode()
