"""Tokens to text while they come, without decoding the whole answer again for each of them."""

from collections.abc import Callable, Sequence
from typing import Final

#: some tokenizers write a leading space only where text precedes it
_CONTEXT_TOKENS: Final = 5
#: what bytes decode to that are a part of a character
_INCOMPLETE: Final = "\N{REPLACEMENT CHARACTER}"


class Detokenizer:
    """The text of an answer, in parts.

    A token's text depends on the tokens around it: bytes of one character are spread over several tokens, and a space
    is dropped at the beginning of a text. So new tokens are decoded together with those that the last part came from.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], prompt: Sequence[int]) -> None:
        """Begin after a prompt; `decode` gives the text of tokens, without special tokens."""
        self._decode = decode
        self._tokens = list(prompt[-_CONTEXT_TOKENS:])
        #: the text of the first `_read` of `_tokens` is known
        self._read = len(self._tokens)
        self._known = decode(self._tokens)

    def add(self, tokens: Sequence[int]) -> str:
        """The text that further tokens add; what ends inside a character waits for the next tokens or for `flush`."""
        self._tokens.extend(tokens)
        text = self._decode(self._tokens)
        return "" if text.endswith(_INCOMPLETE) else self._take(text)

    def flush(self) -> str:
        """The text that `add` held back."""
        return self._take(self._decode(self._tokens))

    def _take(self, text: str) -> str:
        new = text[len(self._known) :]
        if new:
            del self._tokens[: self._read]
            self._read = len(self._tokens)
            self._known = self._decode(self._tokens)
        return new
