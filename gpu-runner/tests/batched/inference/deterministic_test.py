"""Deterministic mode: an answer has the bits of the row alone, whatever else is computed or cached."""

from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selkie_runner.batched import FrozenAdapter, FrozenBase, InferenceEngine
from selkie_runner.batched.inference import engine as engine_module
from selkie_runner.batched.inference.adapter_source import BASE, ResidentAdapter
from selkie_runner.batched.inference.kv_cache import KVCache
from selkie_runner.rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow
from support.batched import random_layer, tiny, view_of

#: they share beginnings of many lengths
TEXT = "The tide turns twice a day, and the selkie knows it. Where does she go? To the sea, where it is cold and deep."


class Base:
    """A tiny base in one dtype, with the base itself and two adapters."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.model = tiny("llama-tiny", dtype)
        self.frozen = FrozenBase.share(self.model.model)
        self.sources = [BASE]
        for seed, lowest in enumerate((0, 1)):
            layer = random_layer(self.frozen, 4, 8, "all-linear", seed, lowest=lowest)
            view = view_of(self.frozen, layer, torch.float32)
            self.sources.append(ResidentAdapter(f"adapter{seed}", (FrozenAdapter(view, layer.scale),)))
        self._alone: dict[tuple[DecodeRow | ScoreRow, int], Any] = {}

    def engine(self, **options: Any) -> InferenceEngine:
        return InferenceEngine(self.frozen, self.model.model, self.model.tokenizer, deterministic=True, **options)

    def alone(self, row: DecodeRow | ScoreRow, adapter: int) -> DecodedRow | ScoredRow:
        """The answer of an engine that computes nothing else and caches nothing."""
        if (row, adapter) not in self._alone:
            engine = self.engine(rows=1, prefix_cache_bytes=0)
            self._alone[row, adapter] = run(engine, [submit(engine, row, self.sources[adapter])])[0]
        return self._alone[row, adapter]


@pytest.fixture(scope="module", params=[torch.bfloat16, torch.float32], ids=["bf16", "fp32"])
def base(request: pytest.FixtureRequest) -> Base:
    return Base(request.param)


def submit(engine: InferenceEngine, row: DecodeRow | ScoreRow, source: ResidentAdapter) -> Future[Any]:
    [future] = engine.score([row], source) if isinstance(row, ScoreRow) else engine.generate([row], source)
    return future


def run(engine: InferenceEngine, futures: list[Future[Any]]) -> list[Any]:
    while engine.step():
        pass
    return [future.result(0) for future in futures]


#: (prompt length, new tokens, temperature) of an answer, (length, start) of a score
specs = st.one_of(
    st.tuples(st.integers(1, len(TEXT)), st.integers(1, 40), st.sampled_from((0.0, 0.8))),
    st.tuples(st.integers(2, len(TEXT)), st.integers(1, 60)),
)


def row_of(base: Base, spec: tuple[Any, ...]) -> DecodeRow | ScoreRow:
    ids = tuple(base.model.tokenizer.encode(TEXT))
    if len(spec) == 2:
        length, start = spec
        return ScoreRow(ids[:length], top_logprobs=1, start=min(start, length - 1))
    length, tokens, temperature = spec
    return DecodeRow(ids[:length], tokens, temperature=temperature, top_logprobs=2)


@settings(max_examples=10, deadline=None)
@given(
    asked=st.lists(st.tuples(specs, st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=8),
    sizes=st.tuples(st.integers(1, 6), st.sampled_from((64, 256)), st.integers(1, 8), st.sampled_from((0, 6, 1000))),
)
def test_no_neighbour_and_no_cache_changes_a_bit(
    base: Base, asked: list[tuple[tuple[Any, ...], int, int]], sizes: tuple[int, int, int, int]
):
    rows, prompt_tokens, slots, blocks = sizes
    token_bytes = KVCache(base.frozen, 0).token_bytes

    def memory(_: torch.device) -> int:
        return 8 * 64 * slots * token_bytes

    with pytest.MonkeyPatch.context() as patch:
        # so few slots that rows lose theirs
        patch.setattr(engine_module, "available_bytes", memory)
        engine = base.engine(rows=rows, prompt_tokens=prompt_tokens, prefix_cache_bytes=8 * blocks * token_bytes)
    futures: list[Future[Any]] = []
    mix = [(row_of(base, spec), adapter) for spec, adapter, _ in asked]
    for (row, adapter), (_, _, steps) in zip(mix, asked, strict=True):
        futures.append(submit(engine, row, base.sources[adapter]))
        for _ in range(steps):
            engine.step()
    for (row, adapter), found in zip(mix, run(engine, futures), strict=True):
        assert found == base.alone(row, adapter)


def test_a_prompt_that_is_cached_is_answered_as_the_first_time(base: Base):
    engine = base.engine()
    row = row_of(base, (70, 20, 0.0))
    assert isinstance(row, DecodeRow)
    first = run(engine, [submit(engine, row, base.sources[1])])
    before = engine.computed_tokens
    again = run(engine, [submit(engine, replace(row, seed=seed), base.sources[1]) for seed in range(3)])
    assert again == first * 3
    # of the prompt only the last token
    assert engine.computed_tokens - before == 3 * 20
