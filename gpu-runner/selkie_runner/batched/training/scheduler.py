"""Which jobs train in the next step: slots are shared fairly among tenants, steps in turn."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar


class Stepping(Protocol):
    """What choosing needs to know of a job that holds a slot."""

    @property
    def tenant(self) -> str: ...
    @property
    def last_step(self) -> int:
        """The number of the step that it was last in; -1 for none."""
        ...

    @property
    def next_tokens(self) -> int:
        """Tokens of its next step."""
        ...


T = TypeVar("T")
J = TypeVar("J", bound=Stepping)


class Waiting(Generic[T]):
    """Jobs without a slot. The tenant with the fewest slots is next, among equals the one served longest ago."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def add(self, tenant: str, job: T) -> None:
        """Queue a job behind its tenant's others."""
        self._queues.setdefault(tenant, deque()).append(job)

    def put_back(self, tenant: str, job: T) -> None:
        """Return a job that `next` gave, to the front of its tenant's queue."""
        self._queues[tenant].appendleft(job)

    def drop(self, unwanted: Callable[[T], bool]) -> list[T]:
        """Take out the jobs that are not wanted any more."""
        dropped: list[T] = []
        for queue in self._queues.values():
            dropped += [job for job in queue if unwanted(job)]
            kept = [job for job in queue if not unwanted(job)]
            queue.clear()
            queue.extend(kept)
        return dropped

    def next(self, holders: Iterable[str]) -> T | None:
        """Take the job that is to have the next free slot.

        Args:
            holders: the tenant of every slot in use.
        """
        held: dict[str, int] = {}
        for tenant in holders:
            held[tenant] = held.get(tenant, 0) + 1
        candidates = [tenant for tenant, queue in self._queues.items() if queue]
        if not candidates:
            return None
        tenant = min(candidates, key=lambda name: held.get(name, 0))
        self._queues.move_to_end(tenant)
        return self._queues[tenant].popleft()


def choose(jobs: Sequence[J], budget: int) -> list[J]:
    """The jobs of the next step: longest not stepped first, as many as the token budget holds, at least one.

    A job that is left out comes first in the next step; waiting does not change its result.
    """
    chosen: list[J] = []
    tokens = 0
    for job in sorted(jobs, key=lambda job: job.last_step):
        if chosen and tokens + job.next_tokens > budget:
            continue
        chosen.append(job)
        tokens += job.next_tokens
    return chosen
