"""Adapters in more precision than the pass: the same sums as adapters in the pass's own, rounded once."""

import torch
from batched_support import random_layer, tiny, view_of

from selkie_runner.batched.adapter import LoraTerm
from selkie_runner.batched.decoder import FrozenDecoder
from selkie_runner.batched.lora import LoneTerm, project
from selkie_runner.batched.wide import WideTerms


def test_wide_adapters_add_what_lone_ones_add() -> None:
    exact = FrozenDecoder.share(tiny("qwen2-tiny").model)
    rounded = FrozenDecoder.share(tiny("qwen2-tiny").model, torch.float32)
    layers = [random_layer(exact, 4, 8, "qv", 1), random_layer(exact, 7, 8, "all-linear", 2)]
    views = [view_of(exact, layer, torch.float64) for layer in layers]
    # two stacked on the first rows, none on the next, one on the rest
    spans = [(slice(0, 3), 0), (slice(0, 3), 1), (slice(5, 9), 1)]
    terms = [LoraTerm(rows, views[i], layers[i].scale, None) for rows, i in spans]
    generator = torch.Generator().manual_seed(0)
    for index, layer in enumerate(exact.layers):
        for group, projections in enumerate(layer.groups):
            x = torch.randn(9, projections[0].weight.shape[1], generator=generator, dtype=torch.float64)
            wanted, _ = project(x, projections, (index, group), [LoneTerm(term) for term in terms])
            narrow = rounded.layers[index].groups[group]
            found, saved = project(x.float(), narrow, (index, group), [WideTerms(terms)])
            assert saved.x is None
            for one, other in zip(found, wanted, strict=True):
                torch.testing.assert_close(one, other.float(), rtol=1e-5, atol=1e-5)
