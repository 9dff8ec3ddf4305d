"""Who is next, how large a step is, and what memory it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from selkie_runner.batched.base import FrozenBase
from selkie_runner.batched.lora.layout import TARGETS, AdapterLayout, LoraTerm
from selkie_runner.batched.training.forward_backward import forward_backward
from selkie_runner.batched.training.memory import bytes_per_job, bytes_per_step, bytes_per_token
from selkie_runner.batched.training.packing import Segment, plan_step
from selkie_runner.batched.training.scheduler import Waiting, choose
from selkie_runner.batched.training.token_budget import TokenBudget
from support.batched import random_layer, tiny, view_of
from support.engine import ALL_FAMILIES


@dataclass
class FakeJob:
    """A job as the scheduler sees it."""

    name: str
    next_tokens: int
    last_step: int = -1
    tenant: str = ""


def test_the_tenant_with_the_fewest_slots_is_next_and_its_own_jobs_keep_their_order() -> None:
    waiting: Waiting[str] = Waiting()
    for job in ("a1", "a2", "a3"):
        waiting.add("a", job)
    waiting.add("b", "b1")
    assert waiting.next(["a", "a"]) == "b1"
    assert waiting.next(["a", "a", "b"]) == "a1"
    waiting.put_back("a", "a1")
    assert waiting.next([]) == "a1"
    assert len(waiting) == 2


def test_tenants_with_equal_slots_take_turns() -> None:
    waiting: Waiting[str] = Waiting()
    for tenant in ("a", "b", "c"):
        for number in range(2):
            waiting.add(tenant, f"{tenant}{number}")
    assert [waiting.next([]) for _ in range(7)] == ["a0", "b0", "c0", "a1", "b1", "c1", None]


def test_a_dropped_job_is_not_next() -> None:
    waiting: Waiting[str] = Waiting()
    for job in ("x", "y", "x"):
        waiting.add("a", job)
    assert waiting.drop(lambda job: job == "x") == ["x", "x"]
    assert waiting.next([]) == "y"


def test_no_job_starves_under_a_small_budget() -> None:
    jobs = [FakeJob(str(i), next_tokens=20 + 30 * (i % 3)) for i in range(7)]
    for number in range(40):
        for job in choose(jobs, 100):
            job.last_step = number
    # each was in one of the last few steps, the large ones as well
    assert all(job.last_step > 40 - 7 for job in jobs)


def test_a_job_above_the_budget_goes_alone() -> None:
    large, small = FakeJob("large", 500), FakeJob("small", 10, last_step=3)
    assert choose([small, large], 100) == [large]


def test_the_budget_climbs_while_larger_steps_pay() -> None:
    budget = TokenBudget(64, fixed=False)
    # a fixed cost of a step is spread over more and more tokens; above 256 the device is full
    while budget.tokens < 2048:
        before = budget.tokens
        for _ in range(3):
            budget.timed(budget.tokens, 0.001 * max(budget.tokens, 256))
        if budget.tokens <= before:
            break
    assert budget.tokens == 256


def test_a_budget_climbs_no_higher_than_it_may() -> None:
    budget = TokenBudget(64, fixed=False, max_seconds=1.0)
    for _ in range(20):
        # of a fixed cost of a quarter of a second
        budget.timed(budget.tokens, 0.25 + budget.tokens / 512)
    assert budget.tokens == 256


def test_a_step_that_a_job_takes_alone_may_be_larger() -> None:
    budget = TokenBudget(128, fixed=False, pass_tokens=512)
    assert (budget.tokens, budget.pass_tokens) == (128, 512)
    while budget.shrink():
        assert budget.tokens <= budget.pass_tokens
    assert (budget.tokens, budget.pass_tokens) == (64, 64)


def test_a_given_budget_stays_until_memory_runs_out() -> None:
    budget = TokenBudget(256, fixed=True)
    for _ in range(10):
        budget.timed(256, 1e-9)
    assert budget.tokens == 256
    assert budget.shrink()
    assert budget.tokens == 128
    assert budget.shrink()
    assert not budget.shrink()
    assert budget.tokens == 64


def steps_until(budget: TokenBudget, wanted: int) -> int:
    """Good steps until the budget holds `wanted` tokens."""
    for steps in range(1, 100_000):
        budget.timed(budget.tokens, 1.0)
        if budget.tokens == wanted:
            return steps
    raise AssertionError(f"the budget stays at {budget.tokens}")


def test_a_halved_budget_recovers_and_waits_longer_after_each_failure() -> None:
    budget = TokenBudget(1024, fixed=True, pass_tokens=4096)
    waits: list[int] = []
    for _ in range(3):
        budget.timed(1024, 1.0)
        assert budget.shrink()
        assert (budget.tokens, budget.pass_tokens) == (512, 2048)
        waits.append(steps_until(budget, 1024))
        assert budget.pass_tokens == 4096
    assert waits == sorted(set(waits))


def test_halvings_at_one_failure_are_undone_one_after_the_other() -> None:
    budget = TokenBudget(1024, fixed=True)
    while budget.shrink():
        pass
    assert budget.tokens == 64
    steps = [steps_until(budget, wanted) for wanted in (128, 256, 512, 1024)]
    assert len(set(steps)) == 1


def test_the_search_starts_again_where_the_machine_has_become_faster() -> None:
    budget = TokenBudget(64, fixed=False)
    for _ in range(20):
        budget.timed(budget.tokens, budget.tokens / 1000)
    assert budget.tokens == 64
    for _ in range(2000):
        budget.timed(budget.tokens, 0.001 * max(budget.tokens, 256))
    assert budget.tokens == 256


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_the_memory_model_covers_what_a_step_takes_and_not_much_more(family: str) -> None:
    decoder = FrozenBase.share(tiny(family, torch.float32).model)
    row = Segment(tuple(range(3, 259)), 200, 256)
    one, eight, sixteen = (peak_bytes(decoder, [row] * rows) for rows in (1, 8, 16))
    per_token = (sixteen - eight) / (8 * 256)
    assert 0.5 * bytes_per_token(decoder) < per_token < bytes_per_token(decoder)
    assert one < bytes_per_step(decoder)


@pytest.mark.parametrize("padded", [False, True])
def test_the_memory_of_a_long_row_is_linear_in_its_length(padded: bool) -> None:
    decoder = FrozenBase.share(tiny("llama-tiny", torch.float32).model)
    length = 3072
    row = Segment((7,) * length, length - 8, length - 4 if padded else length)
    assert peak_bytes(decoder, [row]) < length * bytes_per_token(decoder, keys=length) + bytes_per_step(decoder)


def peak_bytes(decoder: FrozenBase, rows: Sequence[Segment]) -> int:
    """The most that one pass holds at once, its plan included."""
    layer = view_of(decoder, random_layer(decoder, 4, 8.0, "all-linear", 1), torch.float32)
    gradients = layer.layout.view(torch.empty_like(layer.flat))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        plan = plan_step([rows], decoder)
        forward_backward(decoder, plan, [LoraTerm(plan.spans[0], layer, 2.0, gradients)])
    held = highest = 0
    recorded: Any = profile.profiler
    for event in recorded.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            highest = max(highest, held)
    return highest


def test_a_job_takes_masters_gradient_and_both_moments() -> None:
    decoder = FrozenBase.share(tiny("llama-tiny", torch.float32).model)
    layout = AdapterLayout(decoder, 4, TARGETS["qv"])
    # two layers of q [32, 32] and v [16, 32]
    assert layout.size == 2 * 4 * ((32 + 32) + (32 + 16))
    assert bytes_per_job(decoder, layout) == layout.size * 16
