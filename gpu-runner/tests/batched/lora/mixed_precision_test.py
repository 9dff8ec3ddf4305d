"""Adapters in more precision than the pass: the same sums as adapters in the pass's own, rounded once."""

import pytest
import torch

from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.layers.linear import project, project_backward
from selkie_runner.batched.lora.layout import AdapterView, LoraTerm
from selkie_runner.batched.lora.mixed_precision import Fp32Adapters, adapter_dtype
from selkie_runner.batched.lora.single import SingleAdapter
from support.batched import random_layer, tiny, view_of


def test_wide_adapters_compute_what_lone_ones_compute() -> None:
    exact = FrozenBase.share(tiny("qwen2-tiny").model)
    rounded = FrozenBase.share(tiny("qwen2-tiny").model, torch.float32)
    layers = [random_layer(exact, 4, 8, "qv", 1), random_layer(exact, 7, 8, "all-linear", 2)]
    views = [view_of(exact, layer, torch.float64) for layer in layers]
    # a trained one on a frozen one, then rows without any, then a trained one
    spans = [(slice(0, 3), 0, True), (slice(0, 3), 1, False), (slice(5, 9), 1, True)]

    def gradients_of(view: AdapterView) -> AdapterView:
        return view.layout.view(torch.full_like(view.flat, torch.nan))

    def terms() -> list[LoraTerm]:
        return [
            LoraTerm(rows, views[i], layers[i].scale, gradients_of(views[i]) if trained else None)
            for rows, i, trained in spans
        ]

    for_exact, for_rounded = terms(), terms()
    generator = torch.Generator().manual_seed(0)

    def random(columns: int) -> torch.Tensor:
        return torch.randn(9, columns, generator=generator, dtype=torch.float64)

    def near(found: torch.Tensor, wanted: torch.Tensor) -> None:
        torch.testing.assert_close(found, wanted.to(found.dtype), rtol=1e-5, atol=1e-5)

    for index, layer in enumerate(exact.layers):
        for number, group in enumerate(layer.groups):
            narrow, key = rounded.layers[index].groups[number], (index, number)
            x = random(group[0].weight.shape[1])
            wanted, saved = project(x, group, key, [SingleAdapter(term) for term in for_exact])
            found, narrow_saved = project(x.float(), narrow, key, [Fp32Adapters(for_rounded)])
            for one, other in zip(found, wanted, strict=True):
                near(one, other)
            d_outputs = [random(output.shape[1]) for output in wanted]
            dx = project_backward(d_outputs, group, saved, need_dx=True)
            narrow_dx = project_backward([d.float() for d in d_outputs], narrow, narrow_saved, need_dx=True)
            assert dx is not None
            assert narrow_dx is not None
            near(narrow_dx, dx)
    for one, other in zip(for_rounded, for_exact, strict=True):
        if one.gradients is not None and other.gradients is not None:
            near(one.gradients.flat, other.gradients.flat)


@pytest.mark.parametrize(("rows", "dtype"), [(40, torch.float32), (4000, torch.bfloat16)])
def test_adapters_of_few_rows_are_wide_on_a_cpu(rows: int, dtype: torch.dtype) -> None:
    decoder = FrozenBase.share(tiny("llama-tiny", torch.float32).model, torch.bfloat16)
    assert adapter_dtype(decoder, rows) == dtype
