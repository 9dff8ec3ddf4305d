"""The text of an answer in parts against the text of all of its tokens."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from selkie_runner.rows.detokenizer import Detokenizer

WORDS = ("the", "sea", "seal", "é", "日", "本", " ", ".", "\n", "Ġ", "a", "b", "s", "e", "t", "h", "l")


def byte_level() -> PreTrainedTokenizerFast:
    """Bytes as tokens, as GPT-2 and Llama 3 write them."""
    vocabulary = {piece: number for number, piece in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def sentence_piece() -> PreTrainedTokenizerFast:
    """Pieces with their leading space, and bytes for what no piece has, as Llama 2, Mistral and Gemma write them."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "▁the", "▁sea", "se", "al", *"thesal."]
    tokenizer = Tokenizer(
        models.BPE({piece: i for i, piece in enumerate(pieces)}, [], unk_token="<unk>", byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


class Decoding:
    """A tokenizer's `decode`, which counts the tokens that it reads."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self.read = 0

    def __call__(self, tokens: Sequence[int]) -> str:
        self.read += len(tokens)
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))


TOKENIZERS = {"byte-level": byte_level(), "sentence-piece": sentence_piece()}


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=150, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), min_size=2, max_size=30), cut=st.integers(0, 200))
def test_the_parts_are_the_text_that_follows_the_prompt(name: str, words: list[str], cut: int):
    tokenizer = TOKENIZERS[name]
    text = "the sea " + "".join(words)
    tokens = tokenizer.encode(text)
    prompt = tokenizer.encode("the sea")
    assert tokens[: len(prompt)] == prompt
    answer = tokens[len(prompt) :]
    decode = Decoding(tokenizer)
    together = Detokenizer(decode, prompt)
    assert together.add(answer) + together.flush() == text.removeprefix("the sea")
    one_by_one = Detokenizer(decode, prompt)
    parts = [one_by_one.add([token]) for token in answer]
    assert "".join(parts) + one_by_one.flush() == text.removeprefix("the sea")
    assert not any("\N{REPLACEMENT CHARACTER}" in part for part in parts)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_character_that_is_cut_off_is_told_by_flush_alone(name: str):
    tokenizer = TOKENIZERS[name]
    prompt = tokenizer.encode("sea")
    *whole, _ = tokenizer.encode("sea日")[len(prompt) :]
    text = Detokenizer(Decoding(tokenizer), prompt)
    assert [text.add([token]) for token in whole] == [""] * len(whole)
    assert set(text.flush()) == {"\N{REPLACEMENT CHARACTER}"}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_token_costs_the_same_at_the_end_of_a_long_answer(name: str):
    decode = Decoding(TOKENIZERS[name])
    answer = TOKENIZERS[name].encode("the seal. " * 300)
    text = Detokenizer(decode, answer[:3])
    for token in answer[3:]:
        text.add([token])
    assert decode.read < 12 * len(answer)
