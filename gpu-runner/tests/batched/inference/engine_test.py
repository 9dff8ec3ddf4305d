"""The batched decoder against the reference, one row and one adapter at a time, on tiny models in fp64."""

from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from selkie_runner.batched import FrozenAdapter, FrozenBase, InferenceEngine
from selkie_runner.batched.inference import engine as generation_module
from selkie_runner.batched.inference.adapter_source import BASE, Layers
from selkie_runner.batched.inference.block_store import BLOCK, Block, BlockStore, blocks_of
from selkie_runner.errors import Diverged, InvalidAdapter
from selkie_runner.jobs.job import Targets
from selkie_runner.reference.decoding import decode, score
from selkie_runner.rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow
from support.batched import random_layer, tiny, true_fp64, view_of
from support.engine import ALL_FAMILIES

#: rank, targets, lowest layer
SHAPES: tuple[tuple[int, Targets, int], ...] = (
    (4, "qv", 0),
    (8, "all-linear", 0),
    (3, "all-linear", 1),
    (8, "qv", 1),
)
TEXTS = (
    "a",
    "Where?",
    "The tide turns twice a day, and the selkie knows it. Where?",
    "The tide turns twice a day, and the selkie knows it. Who?",
    "The tide turns twice a day, and nobody knows.",
    "seal " * 12,
)


class Base:
    """A tiny base with some adapters, as the batched decoder and as the reference have them."""

    def __init__(self, family: str) -> None:
        self.model = tiny(family)
        self.decoder = FrozenBase.share(self.model.model)
        self.sources = [BASE]
        self.names: list[str | None] = [None]
        for seed, (rank, targets, lowest) in enumerate(SHAPES):
            layer = random_layer(self.decoder, rank, 8, targets, seed, lowest=lowest)
            name = f"adapter{seed}"
            self.model.adapters.add(name, layer)
            view = view_of(self.decoder, layer, torch.float64)
            self.sources.append(Layers(name, (FrozenAdapter(view, layer.scale),)))
            self.names.append(name)

    def batched(self, **options: Any) -> InferenceEngine:
        return InferenceEngine(self.decoder, self.model.model, self.model.tokenizer, **options)

    def ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.model.tokenizer.encode(text))

    def reference(self, row: DecodeRow | ScoreRow, adapter: int) -> DecodedRow | ScoredRow:
        """The answer to one row alone."""
        model = self.model

        def activate() -> None:
            model.adapters.activate(self.names[adapter])

        if isinstance(row, ScoreRow):
            return next(out for found in score(model.model, [row], activate=activate) for _, out in found)
        found = decode(model.model, model.tokenizer, [row], activate=activate)
        return next(out for outs in found for _, out in outs)


@pytest.fixture(scope="module", params=ALL_FAMILIES)
def base(request: pytest.FixtureRequest) -> Generator[Base]:
    with true_fp64():
        yield Base(request.param)


def submit(decoder: InferenceEngine, row: DecodeRow | ScoreRow, source: Layers) -> Future[Any]:
    [future] = decoder.score([row], source) if isinstance(row, ScoreRow) else decoder.generate([row], source)
    return future


def answers(decoder: InferenceEngine, futures: Sequence[Future[Any]]) -> list[Any]:
    while decoder.step():
        pass
    assert decoder.idle
    return [future.result(0) for future in futures]


def assert_same(found: Any, wanted: DecodedRow | ScoredRow) -> None:
    """Equal tokens, and log-probabilities equal to rounding in fp64."""
    if isinstance(wanted, DecodedRow):
        assert (found.tokens, found.text, found.finish_reason) == (wanted.tokens, wanted.text, wanted.finish_reason)
        found, wanted = found.logprobs, list(wanted.logprobs)
    assert [one is None for one in found] == [one is None for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        if one is not None and other is not None:
            assert one.token == other.token
            assert one.logprob == pytest.approx(other.logprob, abs=1e-10)
            assert [token for token, _ in one.top] == [token for token, _ in other.top]


#: (text, new tokens, temperature, seed) of an answer, (text, start) of a score
Spec = tuple[str, int, float, int] | tuple[str, int]
specs: st.SearchStrategy[Spec] = st.one_of(
    st.tuples(st.sampled_from(TEXTS), st.integers(1, 12), st.sampled_from((0.0, 0.8)), st.integers(0, 5)),
    st.tuples(st.sampled_from(TEXTS[1:]), st.integers(1, 4)),
)


def row_of(base: Base, spec: Spec) -> DecodeRow | ScoreRow:
    if len(spec) == 2:
        return ScoreRow(base.ids(spec[0]), top_logprobs=1, start=spec[1])
    text, tokens, temperature, seed = spec
    return DecodeRow(base.ids(text), tokens, temperature=temperature, top_p=0.9, seed=seed, top_logprobs=2)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(st.tuples(specs, st.integers(0, len(SHAPES)), st.integers(0, 3)), min_size=1, max_size=10),
    width=st.integers(2, 8),
    prompt_tokens=st.sampled_from((16, 64, 256)),
)
def test_any_mix_of_rows_and_adapters_answers_as_each_alone(
    base: Base, asked: list[tuple[Spec, int, int]], width: int, prompt_tokens: int
):
    decoder = base.batched(rows=width, prompt_tokens=prompt_tokens)
    mix = [(row_of(base, spec), adapter, steps) for spec, adapter, steps in asked]
    futures: list[Future[Any]] = []
    for row, adapter, steps in mix:
        futures.append(submit(decoder, row, base.sources[adapter]))
        for _ in range(steps):  # later rows join while earlier ones are under way
            decoder.step()
    for (row, adapter, _), found in zip(mix, answers(decoder, futures), strict=True):
        assert_same(found, base.reference(row, adapter))


def test_what_prompts_share_is_read_once(base: Base):
    decoder = base.batched()
    prompt = base.ids(TEXTS[2])
    asked = [DecodeRow(prompt, 1, seed=seed) for seed in range(6)]
    answers(decoder, decoder.generate(asked, base.sources[1]))
    # each of the five others reads the last token
    assert decoder.tokens_read == len(prompt) + 5
    before = decoder.tokens_read
    scored = ScoreRow((*prompt, *base.ids(" Here.")), start=len(prompt))
    answers(decoder, decoder.score([scored], base.sources[1]))
    assert decoder.tokens_read - before == len(scored.tokens) - len(prompt)
    # another adapter has read nothing yet
    before = decoder.tokens_read
    answers(decoder, decoder.generate(asked[:1], base.sources[2]))
    assert decoder.tokens_read - before == len(prompt)


def test_layers_below_the_adapters_are_read_once_for_all(base: Base):
    decoder = base.batched()
    row = DecodeRow(base.ids(TEXTS[2]), 4)
    scored = ScoreRow((*row.prompt, *base.ids(" Here.")), start=len(row.prompt))
    answers(decoder, [submit(decoder, row, base.sources[3]), submit(decoder, scored, base.sources[3])])
    for asked, tokens in ((row, row.prompt), (scored, scored.tokens[:-1])):
        before = decoder.tokens_read
        [found] = answers(decoder, [submit(decoder, asked, base.sources[4])])
        assert_same(found, base.reference(asked, 4))
        answered = 3 if isinstance(asked, DecodeRow) else 0
        # one of two layers; of the score's prompt, which the answer read, nothing
        read_above = len(tokens) if isinstance(asked, DecodeRow) else len(tokens) - len(row.prompt) + 1
        assert decoder.tokens_read - before == 0.5 + read_above / 2 + answered


def test_rows_that_ask_for_the_same_layers_at_once_have_them_read_once(base: Base):
    decoder = base.batched()
    row = DecodeRow(base.ids(TEXTS[2]), 1)
    found = answers(decoder, [submit(decoder, row, source) for source in (base.sources[3], base.sources[4])])
    assert_same(found[0], base.reference(row, 3))
    assert_same(found[1], base.reference(row, 4))
    assert decoder.tokens_read == len(row.prompt) * 1.5 + 0.5


def test_adapters_that_begin_at_any_layer_share_a_pass():
    with true_fp64():
        config = LlamaConfig(
            vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4
        )
        model = LlamaForCausalLM(config).double()
        decoder = FrozenBase.share(model)
        sources = [BASE]
        for lowest in (0, 1, 1, 2, 2, 3, 3):
            layer = random_layer(decoder, 4, 8, "all-linear", len(sources), lowest=lowest)
            view = view_of(decoder, layer, torch.float64)
            sources.append(Layers(f"adapter{len(sources)}", (FrozenAdapter(view, layer.scale),)))
        tokenizer = tiny("llama-tiny").tokenizer
        prompts = [tuple(range(3, 3 + length)) for length in (1, 8, 9, 21, 40)]
        asked = [(DecodeRow(prompt, 3, top_logprobs=1), source) for prompt in prompts for source in sources]
        asked += [(DecodeRow((*prompts[2], *prompts[1]), 3, top_logprobs=1), source) for source in sources]

        def answered(rows: int) -> list[DecodedRow]:
            batched = InferenceEngine(decoder, model, tokenizer, rows=rows, prompt_tokens=64, ends=False)
            return answers(batched, [submit(batched, row, source) for row, source in asked])

        for together, alone in zip(answered(16), answered(1), strict=True):
            assert_same(together, alone)


def test_alone_a_row_repeats_bit_for_bit(base: Base):
    decoder = base.batched(rows=1)
    asked = [DecodeRow(base.ids(text), 8, top_logprobs=0) for text in TEXTS]
    first = answers(decoder, decoder.generate(asked, base.sources[2]))
    again = answers(decoder, [*decoder.generate(asked[::-1], base.sources[2]), *decoder.generate(asked[:2])])
    assert again[: len(asked)] == first[::-1]


def test_an_adapter_of_no_finite_numbers_fails_alone(base: Base):
    bad = base.sources[2].layers[0]
    broken = bad.weights.layout.view(torch.full_like(bad.weights.flat, torch.nan))
    source = Layers("broken", (FrozenAdapter(broken, bad.scale),))
    decoder = base.batched()
    row = DecodeRow(base.ids(TEXTS[2]), 8)
    futures = [submit(decoder, row, base.sources[1]), submit(decoder, row, source)]
    futures += [submit(decoder, ScoreRow(row.prompt), source), submit(decoder, row, base.sources[3])]
    while decoder.step():
        pass
    assert isinstance(futures[1].exception(), Diverged)
    assert isinstance(futures[2].exception(), Diverged)
    # whoever gets their slots is not touched by what they left there
    futures += [submit(decoder, row, base.sources[1]), submit(decoder, row, base.sources[3])]
    found = answers(decoder, [futures[0], *futures[3:]])
    for one, adapter in zip(found, (1, 3, 1, 3), strict=True):
        assert_same(one, base.reference(row, adapter))


def test_cancelled_rows_leave_and_the_rest_goes_on(base: Base):
    decoder = base.batched()
    row = DecodeRow(base.ids(TEXTS[4]), 30)
    futures = [submit(decoder, row, source) for source in base.sources]
    for _ in range(3):
        decoder.step()
    futures[0].cancel()
    futures[2].cancel()
    late = submit(decoder, row, BASE)
    late.cancel()
    found = answers(decoder, [futures[1], futures[3]])
    assert_same(found[0], base.reference(row, 1))
    assert_same(found[1], base.reference(row, 3))
    with pytest.raises(CancelledError):
        late.result(0)


def test_an_adapter_that_cannot_be_had_fails_its_rows_alone(base: Base):
    class Missing:
        key = "missing"
        lowest_layer = 0

        def hold(self) -> Any:
            raise InvalidAdapter("gone")

    decoder = base.batched()
    lost = decoder.generate([DecodeRow(base.ids("a"), 3)], Missing())
    found = answers(decoder, decoder.generate([DecodeRow(base.ids("a"), 3)]))
    assert_same(found[0], base.reference(DecodeRow(base.ids("a"), 3), 0))
    assert isinstance(lost[0].exception(), InvalidAdapter)


def test_an_error_in_a_pass_is_told_to_its_rows_and_the_next_are_answered(base: Base, monkeypatch: pytest.MonkeyPatch):
    decoder = base.batched()
    row = DecodeRow(base.ids("a"), 3)
    futures = decoder.generate([row, row], base.sources[1])

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(generation_module, "forward", broken)
        decoder.step()
    assert all(isinstance(future.exception(), ZeroDivisionError) for future in futures)
    assert_same(answers(decoder, decoder.generate([row]))[0], base.reference(row, 0))


def test_memory_bounds_the_rows_of_a_pass(base: Base, monkeypatch: pytest.MonkeyPatch):
    def nothing(_: torch.device) -> int:
        return 0

    monkeypatch.setattr(generation_module, "available_bytes", nothing)
    decoder = base.batched()
    futures = decoder.generate([DecodeRow(base.ids(text), 4) for text in TEXTS])
    decoder.step()
    assert len(decoder.waiting()) == len(TEXTS) - 1  # one row is let in however little is free
    assert len(answers(decoder, futures)) == len(TEXTS)


def test_the_prompt_cache_drops_the_oldest_leaves_first():
    kv = torch.zeros(2, 1, 1, BLOCK, 1)
    cache = BlockStore(3 * kv.nbytes)

    def read(start: int, stop: int) -> Block:
        return Block(kv[:, :, :, : stop - start].clone())

    def known(root: str, tokens: Sequence[int]) -> int:
        return sum(piece.length for piece in cache.find(root, blocks_of(tokens)))

    one, other = list(range(2 * BLOCK)), [*range(BLOCK), *range(100, 100 + BLOCK)]
    cache.add("a", blocks_of(one), read)
    cache.add("a", blocks_of(other), read)
    assert (known("a", one), known("a", other), known("b", one)) == (2 * BLOCK, 2 * BLOCK, 0)
    known("a", one)
    cache.add(
        "b", blocks_of(one[:BLOCK]), read
    )  # the fourth: what was used longest ago goes, which is the leaf of `other`
    assert (known("a", other), known("a", one), known("b", one)) == (BLOCK, 2 * BLOCK, BLOCK)
    assert known("a", one[: 2 * BLOCK - 1]) == BLOCK


def test_a_short_piece_is_known_as_it_is_and_nothing_is_kept_after_what_cannot_be_copied():
    cache = BlockStore(2**20)
    kv = torch.zeros(2, 1, 1, BLOCK, 1)

    def read(start: int, stop: int) -> Block | None:
        return None if start == 2 * BLOCK else Block(kv[:, :, :, : stop - start].clone())

    tokens = list(range(3 * BLOCK))
    cache.add(1, blocks_of(tokens), read)
    cache.add(1, blocks_of(tokens[: BLOCK + 3]), read)
    lengths = [[piece.length for piece in cache.find(1, blocks_of(tokens[:end]))] for end in (24, BLOCK + 3, BLOCK + 2)]
    assert lengths == [[BLOCK, BLOCK], [BLOCK, 3], [BLOCK]]
