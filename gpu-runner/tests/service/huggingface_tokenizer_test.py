"""A token's own bytes, in the kinds of tokenizers that published models have."""

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from selkie_runner.service.http.token_names import TextOffsets, completion_logprobs
from selkie_runner.service.huggingface_tokenizer import HuggingFaceTokenizer
from support.service import tiny_model


def byte_level() -> HuggingFaceTokenizer:
    return HuggingFaceTokenizer(tiny_model().tokenizer)


def sentence_piece() -> HuggingFaceTokenizer:
    """As Llama 2 and Mistral have it: a blank belongs to the word after it, and other text falls back to bytes."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "▁sea", "sea"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece: index for index, piece in enumerate(pieces)}, merges=[], byte_fallback=True, unk_token="<unk>"
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.add_tokens([AddedToken(" added", normalized=False)])
    return HuggingFaceTokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer))


def test_bytes_of_a_byte_level_tokenizer():
    tokenizer = byte_level()
    text = "a ï€\n"
    tokens = tokenizer.encode(text, special_tokens=False)
    assert len(tokens) == len(text.encode())
    assert b"".join(map(tokenizer.token_bytes, tokens)) == text.encode()
    assert tokenizer.token_bytes(2) == b"<|im_end|>"


def test_bytes_of_a_sentence_piece_tokenizer():
    tokenizer = sentence_piece()
    ids = {tokenizer.token_bytes(token): token for token in range(tokenizer.vocabulary)}
    assert tokenizer.token_bytes(3 + 0xE2) == b"\xe2"
    assert {b" sea", b"sea", b" ", b"</s>", b" added"} <= ids.keys()
    assert tokenizer.decode([ids[b" sea"]]) == "sea"


def test_an_id_without_a_token_has_no_bytes():
    assert byte_level().token_bytes(100_000) == b""


def test_offsets_count_characters_and_a_part_of_one_is_where_that_begins():
    tokenizer = byte_level()
    tokens = tokenizer.encode("a€b", special_tokens=False)
    assert TextOffsets(tokenizer).of(tokens) == [0, 1, 1, 1, 2]
    # in parts that end within the character
    offsets = TextOffsets(tokenizer)
    assert [offsets.of(tokens[:2]), offsets.of(tokens[2:])] == [[0, 1], [1, 1, 2]]
    pieces = sentence_piece()
    ids = {pieces.token_bytes(token): token for token in range(pieces.vocabulary)}
    assert TextOffsets(pieces).of([ids[b"sea"], ids[b" sea"], ids[b" sea"]]) == [0, 3, 7]


def test_parts_of_characters_are_named_apart():
    tokenizer = byte_level()
    tokens = tokenizer.encode("€a", special_tokens=False)
    named = completion_logprobs(tokenizer, tokens, [None] * 4)
    assert named["tokens"] == ["bytes:\\xe2", "bytes:\\x82", "bytes:\\xac", "a"]
