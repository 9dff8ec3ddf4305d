"""The inference engine against the reference, one row and one adapter at a time, on tiny models in fp64."""

from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from selkie_runner.batched import FrozenAdapter, FrozenBase, InferenceEngine
from selkie_runner.batched.inference import engine as engine_module
from selkie_runner.batched.inference.adapter_source import BASE, ResidentAdapter
from selkie_runner.batched.inference.forward import ForwardRow, forward
from selkie_runner.batched.inference.kv_cache import KVCache, Slot
from selkie_runner.errors import Diverged, InvalidAdapter, OutOfMemory
from selkie_runner.jobs.job import Targets
from selkie_runner.reference.decoding import decode, score
from selkie_runner.rows import AnswerDelta, DecodedRow, DecodeRow, ScoredRow, ScoreRow
from selkie_runner.rows.sampler import Sampler
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
    """A tiny base with some adapters, as the inference engine and as the reference have them."""

    def __init__(self, family: str) -> None:
        self.model = tiny(family)
        self.frozen = FrozenBase.share(self.model.model)
        self.sources = [BASE]
        self.names: list[str | None] = [None]
        for seed, (rank, targets, lowest) in enumerate(SHAPES):
            layer = random_layer(self.frozen, rank, 8, targets, seed, lowest=lowest)
            name = f"adapter{seed}"
            self.model.adapters.add(name, layer)
            view = view_of(self.frozen, layer, torch.float64)
            self.sources.append(ResidentAdapter(name, (FrozenAdapter(view, layer.scale),)))
            self.names.append(name)

    def engine(self, **options: Any) -> InferenceEngine:
        return InferenceEngine(self.frozen, self.model.model, self.model.tokenizer, **options)

    def ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.model.tokenizer.encode(text))

    def reference(self, row: DecodeRow | ScoreRow, adapter: int) -> DecodedRow | ScoredRow | Diverged:
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


def submit(engine: InferenceEngine, row: DecodeRow | ScoreRow, source: ResidentAdapter) -> Future[Any]:
    [future] = engine.score([row], source) if isinstance(row, ScoreRow) else engine.generate([row], source)
    return future


def answers(engine: InferenceEngine, futures: Sequence[Future[Any]]) -> list[Any]:
    while engine.step():
        pass
    assert engine.idle
    return [future.result(0) for future in futures]


def assert_same(found: Any, wanted: DecodedRow | ScoredRow | Diverged) -> None:
    """Equal tokens, and log-probabilities equal to rounding in fp64."""
    assert not isinstance(wanted, Diverged)
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
    engine = base.engine(rows=width, prompt_tokens=prompt_tokens)
    mix = [(row_of(base, spec), adapter, steps) for spec, adapter, steps in asked]
    futures: list[Future[Any]] = []
    for row, adapter, steps in mix:
        futures.append(submit(engine, row, base.sources[adapter]))
        for _ in range(steps):  # later rows join while earlier ones are under way
            engine.step()
    for (row, adapter, _), found in zip(mix, answers(engine, futures), strict=True):
        assert_same(found, base.reference(row, adapter))


def test_sampling_parameters_mean_what_they_mean_in_the_reference(base: Base):
    prompt = base.ids(TEXTS[2])
    parameters: list[dict[str, Any]] = [
        {"repetition_penalty": 1.5, "stop": ("zz",)},
        {"presence_penalty": 0.7, "frequency_penalty": 0.4},
        {"logit_bias": ((9, 40.0),), "min_tokens": 4},
        {"temperature": 0.9, "top_k": 7, "min_p": 0.05, "seed": 3},
    ]
    rows = [DecodeRow(prompt, 8, top_logprobs=1, **given) for given in parameters]
    engine = base.engine()
    for row, found in zip(rows, answers(engine, engine.generate(rows, base.sources[1])), strict=True):
        assert_same(found, base.reference(row, 1))


def test_an_answer_is_delivered_as_it_grows(base: Base):
    engine = base.engine()
    deltas: list[AnswerDelta] = []
    row = DecodeRow(base.ids(TEXTS[2]), 6, temperature=0.8, seed=2, top_logprobs=1, on_delta=deltas.append)
    [future] = engine.generate([row], base.sources[1])
    while engine.step():
        assert len(deltas) <= 6
        assert future.done() == (len(deltas) == 6)
    answer = future.result(0)
    assert "".join(delta.text for delta in deltas) == answer.text
    assert [token for delta in deltas for token in delta.tokens] == answer.tokens
    assert [logprob for delta in deltas for logprob in delta.logprobs] == answer.logprobs
    assert_same(answer, base.reference(replace(row, on_delta=None), 1))


def test_what_prompts_share_is_computed_once(base: Base):
    engine = base.engine()
    prompt = base.ids(TEXTS[2])
    asked = [DecodeRow(prompt, 1, seed=seed) for seed in range(6)]
    answers(engine, engine.generate(asked, base.sources[1]))
    # each of the five others reads the last token
    assert engine.computed_tokens == len(prompt) + 5
    before = engine.computed_tokens
    scored = ScoreRow((*prompt, *base.ids(" Here.")), start=len(prompt))
    answers(engine, engine.score([scored], base.sources[1]))
    assert engine.computed_tokens - before == len(scored.tokens) - len(prompt)
    # another adapter has nothing cached
    before = engine.computed_tokens
    answers(engine, engine.generate(asked[:1], base.sources[2]))
    assert engine.computed_tokens - before == len(prompt)


def test_layers_below_the_adapters_are_computed_once_for_all(base: Base):
    engine = base.engine()
    row = DecodeRow(base.ids(TEXTS[2]), 4)
    scored = ScoreRow((*row.prompt, *base.ids(" Here.")), start=len(row.prompt))
    answers(engine, [submit(engine, row, base.sources[3]), submit(engine, scored, base.sources[3])])
    for asked, tokens in ((row, row.prompt), (scored, scored.tokens[:-1])):
        before = engine.computed_tokens
        [found] = answers(engine, [submit(engine, asked, base.sources[4])])
        assert_same(found, base.reference(asked, 4))
        answered = 3 if isinstance(asked, DecodeRow) else 0
        # one of two layers; of the score's prompt nothing, since the answer has computed it
        above = len(tokens) if isinstance(asked, DecodeRow) else len(tokens) - len(row.prompt) + 1
        assert engine.computed_tokens - before == 0.5 + above / 2 + answered


def test_rows_of_one_pass_compute_shared_layers_once(base: Base):
    engine = base.engine()
    row = DecodeRow(base.ids(TEXTS[2]), 1)
    found = answers(engine, [submit(engine, row, source) for source in (base.sources[3], base.sources[4])])
    assert_same(found[0], base.reference(row, 3))
    assert_same(found[1], base.reference(row, 4))
    assert engine.computed_tokens == len(row.prompt) * 1.5 + 0.5


def test_adapters_that_begin_at_any_layer_share_a_pass():
    with true_fp64():
        config = LlamaConfig(
            vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4
        )
        model = LlamaForCausalLM(config).double()
        frozen = FrozenBase.share(model)
        sources = [BASE]
        for lowest in (0, 1, 1, 2, 2, 3, 3):
            layer = random_layer(frozen, 4, 8, "all-linear", len(sources), lowest=lowest)
            view = view_of(frozen, layer, torch.float64)
            sources.append(ResidentAdapter(f"adapter{len(sources)}", (FrozenAdapter(view, layer.scale),)))
        tokenizer = tiny("llama-tiny").tokenizer
        prompts = [tuple(range(3, 3 + length)) for length in (1, 8, 9, 21, 40)]
        asked = [(DecodeRow(prompt, 3, top_logprobs=1), source) for prompt in prompts for source in sources]
        asked += [(DecodeRow((*prompts[2], *prompts[1]), 3, top_logprobs=1), source) for source in sources]

        def answered(rows: int) -> list[DecodedRow]:
            batched = InferenceEngine(frozen, model, tokenizer, rows=rows, prompt_tokens=64, ends=False)
            return answers(batched, [submit(batched, row, source) for row, source in asked])

        for together, alone in zip(answered(16), answered(1), strict=True):
            assert_same(together, alone)


def test_the_worked_example_of_the_docs():
    config = LlamaConfig(
        vocab_size=300, hidden_size=8, intermediate_size=8, num_hidden_layers=30, num_attention_heads=2
    )
    model = LlamaForCausalLM(config).double()
    frozen = FrozenBase.share(model)
    sources: list[ResidentAdapter] = []
    for name in ("a", "b"):
        layer = random_layer(frozen, 2, 4, "qv", len(sources), lowest=20)
        view = view_of(frozen, layer, torch.float64)
        sources.append(ResidentAdapter(name, (FrozenAdapter(view, layer.scale),)))
    row = DecodeRow(tuple(range(3, 44)), 1)

    engine = InferenceEngine(frozen, model, tiny("llama-tiny").tokenizer)
    for adapter, work in ((0, 41), (1, 41 - 40 * 20 / 30), (0, 1)):
        before = engine.computed_tokens
        answers(engine, engine.generate([row], sources[adapter]))
        assert engine.computed_tokens - before == pytest.approx(work)

    together = InferenceEngine(frozen, model, tiny("llama-tiny").tokenizer)
    for source in sources:
        together.generate([row], source)
    together.step()
    assert together.computed_tokens == 41
    assert len(together.waiting()) == 1


def test_an_adapter_of_no_finite_numbers_fails_alone(base: Base):
    bad = base.sources[2].layers[0]
    broken = bad.weights.layout.view(torch.full_like(bad.weights.flat, torch.nan))
    source = ResidentAdapter("broken", (FrozenAdapter(broken, bad.scale),))
    engine = base.engine()
    row = DecodeRow(base.ids(TEXTS[2]), 8)
    futures = [submit(engine, row, base.sources[1]), submit(engine, row, source)]
    futures += [submit(engine, ScoreRow(row.prompt), source), submit(engine, row, base.sources[3])]
    while engine.step():
        pass
    assert isinstance(futures[1].exception(), Diverged)
    assert isinstance(futures[2].exception(), Diverged)
    # the rows that get their slots are not touched by what they left there
    futures += [submit(engine, row, base.sources[1]), submit(engine, row, base.sources[3])]
    found = answers(engine, [futures[0], *futures[3:]])
    for one, adapter in zip(found, (1, 3, 1, 3), strict=True):
        assert_same(one, base.reference(row, adapter))


def test_cancelled_rows_leave_and_the_rest_goes_on(base: Base):
    engine = base.engine()
    row = DecodeRow(base.ids(TEXTS[4]), 30)
    futures = [submit(engine, row, source) for source in base.sources]
    for _ in range(3):
        engine.step()
    futures[0].cancel()
    futures[2].cancel()
    late = submit(engine, row, BASE)
    late.cancel()
    found = answers(engine, [futures[1], futures[3]])
    assert_same(found[0], base.reference(row, 1))
    assert_same(found[1], base.reference(row, 3))
    with pytest.raises(CancelledError):
        late.result(0)


def test_an_adapter_that_does_not_load_fails_its_rows_alone(base: Base):
    class Missing:
        key = "missing"
        lowest_layer = 0

        def hold(self) -> Any:
            raise InvalidAdapter("gone")

    engine = base.engine()
    lost = engine.generate([DecodeRow(base.ids("a"), 3)], Missing())
    found = answers(engine, engine.generate([DecodeRow(base.ids("a"), 3)]))
    assert_same(found[0], base.reference(DecodeRow(base.ids("a"), 3), 0))
    assert isinstance(lost[0].exception(), InvalidAdapter)


def test_an_error_in_a_pass_fails_its_rows_and_the_next_are_answered(base: Base, monkeypatch: pytest.MonkeyPatch):
    engine = base.engine()
    row = DecodeRow(base.ids("a"), 3)
    futures = engine.generate([row, row], base.sources[1])

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(engine_module, "forward", broken)
        engine.step()
    assert all(isinstance(future.exception(), ZeroDivisionError) for future in futures)
    assert_same(answers(engine, engine.generate([row]))[0], base.reference(row, 0))


class TooLong(RuntimeError):
    """What a pass over too many tokens raises here."""


def limited(most: int) -> Any:
    """`forward`, but it fails with more tokens than that."""

    def limited_forward(base: FrozenBase, rows: Sequence[ForwardRow]) -> Any:
        if sum(len(row.tokens) for row in rows) > most:
            raise TooLong
        return forward(base, rows)

    return limited_forward


def test_a_failing_pass_fails_only_the_rows_that_fail_alone(base: Base, monkeypatch: pytest.MonkeyPatch):
    engine = base.engine()
    rows = [DecodeRow(base.ids(text), 6, top_logprobs=1) for text in TEXTS]
    too_long = ScoreRow(base.ids(TEXTS[5] + "?!"))
    with monkeypatch.context() as patch:
        # the rows together are too much, and so is the last alone
        patch.setattr(engine_module, "forward", limited(len(rows[5].prompt)))
        futures = [submit(engine, row, base.sources[1]) for row in rows]
        failing = submit(engine, too_long, base.sources[1])
        found = answers(engine, futures) if engine.step() else []
    for row, one in zip(rows, found, strict=True):
        assert_same(one, base.reference(row, 1))
    assert isinstance(failing.exception(), TooLong)


def test_memory_for_scores_and_for_the_prefix_cache_fails_no_other_row(base: Base, monkeypatch: pytest.MonkeyPatch):
    def no_scores(*_: Any) -> Any:
        raise MemoryError

    engine = base.engine()
    row = DecodeRow(base.ids(TEXTS[2]), 4, top_logprobs=1)
    monkeypatch.setattr(engine_module, "token_logprobs", no_scores)
    monkeypatch.setattr(KVCache, "read", no_scores)
    [scored], [answered] = engine.score([ScoreRow(row.prompt)]), engine.generate([row])
    assert_same(answers(engine, [answered])[0], base.reference(row, 0))
    assert isinstance(scored.exception(0), OutOfMemory)


def test_rows_whose_tokens_cannot_be_chosen_are_not_left_hanging(base: Base, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    engine = base.engine()
    row = DecodeRow(base.ids("a"), 3)
    with monkeypatch.context() as patch:
        patch.setattr(Sampler, "extend", broken)
        futures = engine.generate([row, row])
        assert all(isinstance(error, ZeroDivisionError) for error in errors(engine, futures))
    assert_same(answers(engine, engine.generate([row]))[0], base.reference(row, 0))


def errors(engine: InferenceEngine, futures: Sequence[Future[Any]]) -> list[BaseException | None]:
    while engine.step():
        pass
    return [future.exception(0) for future in futures]


def test_a_row_that_finds_no_memory_waits_for_others_and_fails_alone(base: Base, monkeypatch: pytest.MonkeyPatch):
    allocate = KVCache.allocate

    def one_at_a_time(cache: KVCache, length: int) -> Slot:
        if cache.nbytes or length > 100:
            raise MemoryError
        return allocate(cache, length)

    monkeypatch.setattr(KVCache, "allocate", one_at_a_time)
    engine = base.engine()
    rows = [DecodeRow(base.ids(text), 4, top_logprobs=1) for text in TEXTS[:3]]
    futures = engine.generate(rows, base.sources[1])
    too_long = engine.score([ScoreRow(base.ids(TEXTS[5] * 3))])
    for row, one in zip(rows, answers(engine, futures), strict=True):
        assert_same(one, base.reference(row, 1))
    assert isinstance(too_long[0].exception(0), OutOfMemory)


def test_an_error_while_a_slot_is_freed_leaves_no_row_without_an_outcome(base: Base, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    engine = base.engine()
    ended, under_way, late = engine.generate([DecodeRow(base.ids("a"), tokens) for tokens in (1, 5, 5)])
    with monkeypatch.context() as patch:
        patch.setattr(KVCache, "free", broken)
        with pytest.raises(ZeroDivisionError):
            engine.step()
        engine.abandon(Diverged("lost"))
    assert_same(ended.result(0), base.reference(DecodeRow(base.ids("a"), 1), 0))
    assert isinstance(under_way.exception(0), ZeroDivisionError)
    assert late.exception(0) is not None
    assert_same(
        answers(engine, engine.generate([DecodeRow(base.ids("a"), 5)]))[0],
        base.reference(DecodeRow(base.ids("a"), 5), 0),
    )


def test_a_row_cancelled_while_its_prompt_is_read_leaves_nothing_behind(base: Base):
    bad = base.sources[1].layers[0]
    broken = bad.weights.layout.view(torch.full_like(bad.weights.flat, torch.nan))
    engine = base.engine(prompt_tokens=16, prefix_cache_bytes=0)
    [future] = engine.generate([DecodeRow(base.ids(TEXTS[2]), 1)], ResidentAdapter("x", (FrozenAdapter(broken, 1.0),)))
    engine.step()
    future.cancel()
    row = DecodeRow(base.ids(TEXTS[2]), 4, top_logprobs=1)
    assert_same(answers(engine, engine.generate([row]))[0], base.reference(row, 0))


def test_long_answers_and_prompts_move_through_slots_of_all_lengths(base: Base):
    engine = base.engine(prompt_tokens=32)
    prompts = [base.ids(TEXTS[5] * times) for times in (1, 3, 5)]
    asked = [DecodeRow(prompt, 100, top_logprobs=1, temperature=0.8, seed=seed) for seed, prompt in enumerate(prompts)]
    found = answers(engine, [submit(engine, row, base.sources[2]) for row in asked])
    for one, row in zip(found, asked, strict=True):
        assert_same(one, base.reference(row, 2))


def test_rows_that_lose_their_slots_go_on_where_they_were(base: Base, monkeypatch: pytest.MonkeyPatch):
    asked = [DecodeRow(base.ids("Where?"), 140, top_logprobs=1, temperature=0.8, seed=seed) for seed in range(4)]

    def answered(engine: InferenceEngine) -> tuple[list[Any], float]:
        return answers(engine, engine.generate(asked, base.sources[1])), engine.computed_tokens

    wanted, work = answered(base.engine(prefix_cache_bytes=0, ends=False))
    # four rows of up to 128 positions fit, or two of up to 256
    kv_bytes = 4 * 128 * KVCache(base.frozen, 0).token_bytes

    def memory(_: torch.device) -> int:
        return 8 * kv_bytes

    monkeypatch.setattr(engine_module, "available_bytes", memory)
    found, more_work = answered(base.engine(prefix_cache_bytes=0, ends=False))
    for one, other in zip(found, wanted, strict=True):
        assert_same(one, other)
    assert more_work > work


def test_memory_bounds_the_rows_of_a_pass(base: Base, monkeypatch: pytest.MonkeyPatch):
    def nothing(_: torch.device) -> int:
        return 0

    monkeypatch.setattr(engine_module, "available_bytes", nothing)
    engine = base.engine()
    futures = engine.generate([DecodeRow(base.ids(text), 4) for text in TEXTS])
    engine.step()
    assert len(engine.waiting()) == len(TEXTS) - 1  # one row joins however little memory is free
    assert len(answers(engine, futures)) == len(TEXTS)
