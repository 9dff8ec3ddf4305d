"""When an answer ends, and what is delivered of it while it grows. A token is a character's code."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selkie_runner.rows import AnswerDelta, DecodedRow, DecodeRow, TokenLogprob
from selkie_runner.rows.completion import Completion
from selkie_runner.rows.detokenizer import Detokenizer

END = ord("$")


def finish(text: str, *, watched: bool = True, **parameters: Any) -> tuple[DecodedRow, list[AnswerDelta]]:
    """The answer to a model that writes `text`."""
    deltas: list[AnswerDelta] = []
    on_delta = deltas.append if watched else None
    row = DecodeRow((ord("?"),), len(text), on_delta=on_delta, **parameters)
    answer = Completion.begin(row, Detokenizer(lambda tokens: "".join(map(chr, tokens)), row.prompt))
    for character in text:
        token = ord(character)
        answer.append(token, None if row.top_logprobs is None else TokenLogprob(token, -0.5, ()))
        done = answer.advance({END})
        if done is not None:
            return done, deltas
    raise AssertionError("the answer goes on")


@pytest.mark.parametrize(
    ("text", "parameters", "answer", "finish_reason", "stop_reason"),
    [
        ("abc", {}, "abc", "length", None),
        ("ab$cd", {}, "ab", "stop", None),
        ("ab$cd", {"ignore_eos": True}, "ab$cd", "length", None),
        ("abcd", {"stop": ("cd", "bc")}, "a", "stop", "bc"),
        ("abcd", {"stop": ("x", "d")}, "abc", "stop", "d"),
        ("abcabc", {"stop": ("bc",), "min_tokens": 3}, "abca", "stop", "bc"),
        ("abcabc", {"stop": ("ca",), "min_tokens": 3}, "ab", "stop", "ca"),
        ("abcabc", {"stop": ("bc",), "min_tokens": 6}, "abcabc", "length", None),
        ("ab", {"stop": ("abc",)}, "ab", "length", None),
        ("ab$", {"stop": ("abc",)}, "ab", "stop", None),
    ],
)
def test_an_answer_ends(
    text: str, parameters: dict[str, Any], answer: str, finish_reason: str, stop_reason: str | None
):
    done, deltas = finish(text, **parameters)
    assert (done.text, done.finish_reason, done.stop_reason) == (answer, finish_reason, stop_reason)
    assert "".join(delta.text for delta in deltas) == answer
    unwatched, _ = finish(text, watched=False, **parameters)
    assert unwatched == done


@settings(max_examples=200, deadline=None)
@given(
    text=st.text("abc", min_size=1, max_size=20),
    stops=st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
    min_tokens=st.integers(0, 5),
)
def test_the_deltas_are_the_answer(text: str, stops: list[str], min_tokens: int):
    done, deltas = finish(text, stop=tuple(stops), min_tokens=min_tokens, top_logprobs=0)
    assert "".join(delta.text for delta in deltas) == done.text
    assert [token for delta in deltas for token in delta.tokens] == done.tokens
    assert [logprob for delta in deltas for logprob in delta.logprobs] == done.logprobs
    if not min_tokens:
        cuts = [text.index(stop) for stop in stops if stop in text]
        ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
        assert len(done.tokens) == min(ends, default=len(text))
        assert not cuts or done.text in {text[:cut] for cut in cuts}


def test_what_may_become_a_stop_string_is_withheld():
    _, deltas = finish("abxabc", stop=("abc",))
    assert [delta.text for delta in deltas] == ["", "", "abx", "", "", ""]
