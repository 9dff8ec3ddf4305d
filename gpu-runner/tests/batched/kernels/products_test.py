"""A packed product is the plain one."""

import pytest
import torch
from torch.nn import functional

from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.kernels.products import can_pack, packed, times_transposed
from selkie_runner.hardware import available_bytes
from support.batched import tiny

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("rows", [0, 1, 33, 64])
@pytest.mark.parametrize("outputs", [48, 16_384])
@pytest.mark.parametrize("biased", [False, True])
def test_it_is_the_librarys_linear(dtype: torch.dtype, rows: int, outputs: int, biased: bool) -> None:
    generator = torch.Generator().manual_seed(rows)
    x, weight = (torch.randn(n, 24, generator=generator).to(dtype) for n in (rows, outputs))
    bias = torch.randn(outputs, generator=generator).to(dtype) if biased else None
    found = times_transposed(x, weight, packed(weight) if can_pack(dtype, CPU, 0) else None, bias)
    assert found.is_contiguous()
    torch.testing.assert_close(found, functional.linear(x, weight, bias))


def test_a_base_that_fills_the_memory_is_not_held_twice() -> None:
    assert can_pack(torch.float32, CPU, 2**20)
    assert not can_pack(torch.float32, CPU, available_bytes(CPU) // 4)


def test_fp64_is_not_packed() -> None:
    decoder = FrozenBase.share(tiny("llama-tiny").model)
    assert decoder.packed_head is None
    assert all(projection.packed is None for projection in decoder.projections())
