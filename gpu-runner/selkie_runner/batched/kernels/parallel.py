"""Runs independent passes in parallel, one CPU thread each.

OpenMP divides every large operation of a pass among the threads and waits for all of them at its end; the work between
operations is not divided. Passes over a part of the rows, one thread each, wait only at their end.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import Final, TypeVar

import torch

T = TypeVar("T")

#: measured with two threads; many threads would wait for the GIL, so there OpenMP divides each product
MAX_STREAMS: Final = 4


def streams_of(device: torch.device) -> int:
    """The number of passes that this thread should run in parallel on the device."""
    threads = torch.get_num_threads()
    return threads if device.type == "cpu" and threads <= MAX_STREAMS else 1


def side_by_side(work: Sequence[Callable[[], T]]) -> list[T]:
    """The results of at most `streams_of` functions, which share nothing that they write.

    A single function has all of this thread's OpenMP threads. Raises the error of one that failed, once all have ended.
    """
    if len(work) == 1:
        return [work[0]()]
    threads = torch.get_num_threads()
    use_threads(1)
    others = [_pool().submit(_without_gradients, piece) for piece in work[1:]]
    try:
        first = work[0]()
    finally:
        wait(others)
        use_threads(threads)
    return [first, *(other.result() for other in others)]


def use_threads(count: int) -> None:
    """Use `count` CPU threads for this thread; threads created later use one.

    With more OpenMP threads than cores, they sleep after each product, and waking them costs as much as a small one.
    Each Python thread that has computed something large with several keeps its OpenMP threads.
    """
    if torch.get_num_threads() != count:  # a thread's first call sets its number
        torch.set_num_threads(count)
        # the last value that is set is the default of later threads
        _pool().submit(torch.set_num_threads, 1).result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_STREAMS - 1, thread_name_prefix="stream", initializer=torch.get_num_threads)


def _without_gradients(piece: Callable[[], T]) -> T:
    with torch.no_grad():  # grad mode is per thread
        return piece()
