"""The device loop: turns, fairness, cancellation, and failures that stay alone."""

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError

import pytest
import torch

from selkie_runner.batched.kernels.parallel import use_threads
from selkie_runner.errors import DeviceLost
from selkie_runner.hardware import memory_errors
from selkie_runner.service.device.cpu_share import CpuShare, CpuSharing
from selkie_runner.service.device.loop import DeviceLoop
from selkie_runner.service.stopping import DeviceStopped
from selkie_runner.service.torch_backend import limit_threads


@pytest.fixture
def device() -> Iterator[DeviceLoop]:
    loop = DeviceLoop().start()
    yield loop
    loop.stop(5)


def steps(count: int, seconds: float, note: Callable[[], None]) -> Generator[object, None, int]:
    for _ in range(count):
        time.sleep(seconds)
        note()
        yield
    return count


def forever(seconds: float = 0.001) -> Generator[object, None, None]:
    while True:
        time.sleep(seconds)
        yield


def test_work_runs_on_one_thread_only(device: DeviceLoop):
    seen: set[str] = set()

    def note() -> None:
        seen.add(threading.current_thread().name)

    jobs = [device.run(steps(3, 0, note), lane=lane, name="j") for lane in ("train", "decode", "train")]
    assert [job.future.result(5) for job in jobs] == [3, 3, 3]
    assert device.call(lambda: threading.current_thread().name, name="c").future.result(5) == "device"
    assert seen == {"device"}


def test_jobs_of_a_lane_take_turns(device: DeviceLoop):
    order: list[str] = []
    gate = threading.Event()
    device.call(gate.wait, name="hold")
    jobs = [device.run(steps(3, 0, lambda n=name: order.append(n)), lane="train", name=name) for name in "ab"]
    gate.set()
    for job in jobs:
        job.future.result(5)
    assert order == list("ababab")


def test_lanes_share_the_device_by_weighted_time(device: DeviceLoop):
    trainings = [device.run(forever(0.02), lane="train", name=f"t{i}") for i in range(3)]
    decode = device.run(steps(100, 0.002, lambda: None), lane="decode", name="d")
    decode.future.result(10)
    trained = sum(job.device_seconds for job in trainings)
    # thrice the time for training: 0.2 s of decoding to about 0.6 s, not to 100 training steps (2 s)
    assert 1.5 * decode.device_seconds < trained < 6 * decode.device_seconds + 0.04
    for job in trainings:
        job.cancel()


def test_an_idle_lane_saves_up_no_credit(device: DeviceLoop):
    training = device.run(forever(0.01), lane="train", name="t")
    time.sleep(0.3)
    before = training.device_seconds
    decode = device.run(steps(20, 0.01, lambda: None), lane="decode", name="d")
    decode.future.result(5)
    assert training.device_seconds - before > 0.5 * decode.device_seconds
    training.cancel()


def test_cancelling_closes_the_generator_at_its_next_yield(device: DeviceLoop):
    cleaned = threading.Event()

    def work() -> Generator[object, None, None]:
        try:
            yield from forever()
        finally:
            cleaned.set()

    job = device.run(work(), lane="train", name="t")
    time.sleep(0.02)
    job.cancel()
    job.closed.result(1)
    assert cleaned.is_set()
    assert job.future.cancelled()


def test_cancelling_from_asyncio(device: DeviceLoop):
    async def scenario() -> None:
        job = device.run(forever(), lane="train", name="t")
        waiting = asyncio.ensure_future(asyncio.wrap_future(job.future))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait_for(asyncio.wrap_future(job.closed), 1)

    asyncio.run(scenario())


def test_a_job_that_raises_fails_alone(device: DeviceLoop):
    def bad() -> Generator[object, None, None]:
        yield
        raise SystemExit("even this")

    failing = device.run(bad(), lane="train", name="bad")
    good = device.run(steps(5, 0.001, lambda: None), lane="train", name="good")
    with pytest.raises(SystemExit):
        failing.future.result(5)
    assert good.future.result(5) == 5
    with pytest.raises(ZeroDivisionError):
        device.call(lambda: 1 // 0, name="zero").future.result(5)


def test_device_seconds_are_counted_per_job_and_lane(device: DeviceLoop):
    job = device.run(steps(5, 0.01, lambda: None), lane="train", name="t")
    job.future.result(5)
    job.closed.result(5)
    assert 0.05 <= job.device_seconds < 0.5
    time.sleep(0.01)
    assert device.busy_seconds["train"] == pytest.approx(job.device_seconds)


def test_stopping_closes_what_is_left_and_takes_no_more():
    loop = DeviceLoop().start()
    job = loop.run(forever(), lane="train", name="t")
    loop.stop(5)
    assert job.future.cancelled()
    assert job.closed.done()
    with pytest.raises(DeviceStopped):
        loop.call(lambda: None, name="late")


def test_loops_that_share_a_cpu_have_equal_parts_while_both_have_work():
    cores = CpuSharing(4)
    here, elsewhere = DeviceLoop().divide(cores, use_threads).start(), DeviceLoop("trainer").divide(cores).start()
    both = threading.Barrier(2, timeout=5)

    def threads(loop: DeviceLoop) -> Generator[object, None, tuple[int, int]]:
        yield  # until now it may have been alone
        both.wait()
        yield
        both.wait()
        return loop.share.threads, torch.get_num_threads()

    try:
        assert here.call(lambda: here.share, name="ask").future.result(5) == CpuShare(4, 1.0)
        jobs = [loop.run(threads(loop), lane="train", name="t") for loop in (here, elsewhere)]
        assert jobs[0].future.result(5) == (2, 2)
        assert jobs[1].future.result(5)[0] == 2
        elsewhere.stop(5)
        assert here.call(lambda: here.share, name="ask").future.result(5) == CpuShare(4, 1.0)
    finally:
        here.stop(5)
        elsewhere.stop(5)


def test_a_step_with_a_part_of_the_cpu_counts_in_part():
    cores = CpuSharing(2)
    cores.acquire("another")
    loop = DeviceLoop().divide(cores).start()
    began = time.perf_counter()
    job = loop.run(steps(5, 0.01, lambda: None), lane="train", name="t")
    job.closed.result(5)
    took = time.perf_counter() - began
    loop.stop(5)
    assert 0.5 * 0.05 <= job.device_seconds <= 0.5 * took
    assert loop.busy_seconds["train"] == pytest.approx(job.device_seconds)


def test_more_than_there_are_threads_have_one_each():
    cores = CpuSharing(2)
    assert [cores.acquire(who) for who in "abc"] == [CpuShare(2, 1.0), CpuShare(1, 1 / 2), CpuShare(1, 1 / 3)]
    assert cores.acquire("a") == CpuShare(1, 1 / 3)
    cores.release("b")
    cores.release("b")
    assert cores.acquire("a") == CpuShare(1, 1 / 2)


def test_only_the_devices_thread_computes_in_parallel(device: DeviceLoop) -> None:
    usual = torch.get_num_threads()
    others: list[int] = []
    try:
        asyncio.run(limit_threads(device, 2))
        assert device.call(torch.get_num_threads, name="ask").future.result(5) == 2
        another = threading.Thread(target=lambda: others.append(torch.get_num_threads()))
        another.start()
        another.join()
        assert [torch.get_num_threads(), *others] == [1, 1]
    finally:
        torch.set_num_threads(usual)


def test_a_lost_device_takes_no_more_work(device: DeviceLoop):
    def lose() -> None:
        with memory_errors("decoding"):
            raise RuntimeError("CUDA error: device-side assert triggered")

    first = device.call(lose, name="first")
    later = device.call(lambda: 1, name="later")
    with pytest.raises(DeviceLost, match="while decoding: CUDA error"):
        first.future.result(5)
    assert str(device.lost.result(5)) in str(first.future.exception())
    with pytest.raises(CancelledError):
        later.future.result(5)
    assert not device.alive
