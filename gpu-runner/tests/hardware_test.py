"""How memory runs out, in the words of torch and of the libraries below it."""

import pytest
import torch

from selkie_runner.errors import OutOfMemory
from selkie_runner.hardware import memory_errors


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("could not create a primitive"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_a_failed_allocation_is_one_error_in_whatever_form(error: Exception) -> None:
    with pytest.raises(OutOfMemory, match="while training"), memory_errors("training"):
        raise error


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"), memory_errors("training"):
        raise RuntimeError("size mismatch")
