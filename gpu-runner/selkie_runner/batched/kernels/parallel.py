"""Independent work side by side, each on one thread of the CPU.

OpenMP divides every large operation of a pass among the threads and waits for all of them at its end; what lies between
is not divided at all. Passes over a part of the rows each, one thread for each, wait for nothing before their end.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import Final, TypeVar

import torch

T = TypeVar("T")

#: measured with two threads; with many, Python's own lock would be what they wait for, and OpenMP divides each product
MOST_STREAMS: Final = 4


def streams_of(device: torch.device) -> int:
    """How many things this thread can well compute side by side on the device."""
    threads = torch.get_num_threads()
    return threads if device.type == "cpu" and threads <= MOST_STREAMS else 1


def side_by_side(work: Sequence[Callable[[], T]]) -> list[T]:
    """The results of at most `streams_of` pieces of work that share nothing they write; raises what one of them raised.

    A single piece has all of this thread's threads to itself.
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
    """Let this thread compute with so many threads of the CPU, and those that are still to come with one.

    Once there are more OpenMP threads than cores, they sleep after each product, and waking them costs as much as a
    small one; and each Python thread that has computed something large with several has some of its own.
    """
    if torch.get_num_threads() != count:  # a thread's first question sets its number
        torch.set_num_threads(count)
        # what is set last holds for every thread that is still to come
        _pool().submit(torch.set_num_threads, 1).result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_STREAMS - 1, thread_name_prefix="stream", initializer=torch.get_num_threads)


def _without_gradients(piece: Callable[[], T]) -> T:
    with torch.no_grad():  # a thread of its own knows nothing of its caller's mode
        return piece()
