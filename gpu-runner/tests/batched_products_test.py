"""A product is the same in either order."""

import pytest
import torch
from torch.nn import functional

from selkie_runner.batched.products import times_transposed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("rows", [0, 1, 32, 33, 64, 65])
@pytest.mark.parametrize("outputs", [48, 16_384])
@pytest.mark.parametrize("biased", [False, True])
def test_it_is_the_librarys_linear(dtype: torch.dtype, rows: int, outputs: int, biased: bool) -> None:
    generator = torch.Generator().manual_seed(rows)
    x, weight = (torch.randn(n, 24, generator=generator).to(dtype) for n in (rows, outputs))
    bias = torch.randn(outputs, generator=generator).to(dtype) if biased else None
    found = times_transposed(x, weight, bias)
    assert found.is_contiguous()
    torch.testing.assert_close(found, functional.linear(x, weight, bias))
