"""The CPU next to other processes: their share is measured, threads give way, and the log shows it."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch

from selkie_runner.batched.kernels.parallel import use_threads
from selkie_runner.service.device.cpu_share import CpuShare, CpuSharing
from selkie_runner.service.device.loop import DeviceLoop
from selkie_runner.service.device.neighbours import Neighbours, Usage, taken, usage

PACKAGE = Path(__file__).parents[3]


class Machine:
    """Four cores on which others keep `others` busy, and two processes of ours one each."""

    def __init__(self) -> None:
        self.others = 0.0
        self._busy = 0.0
        self._looks = 0

    def read(self, pids: Iterable[int]) -> Usage:
        self._looks += 1
        self._busy += 10 * (self.others + 2)
        # the second process of ours begins after the first look
        ours = {pid: 10.0 * (self._looks if pid != 1 else self._looks - 1) for pid in pids}
        return Usage(4, 40.0 * self._looks, self._busy, ours)

    def cores(self, threads: int, *, give_way: bool = True) -> CpuSharing:
        neighbours = Neighbours(self.read, every=0)
        cores = CpuSharing(threads, neighbours, give_way=give_way)
        cores.ours(lambda: 1)
        return cores


@pytest.mark.parametrize(
    ("others", "threads"), [(0.0, 4), (0.5, 4), (0.7, 3), (1.0, 3), (1.9, 2), (3.0, 1), (4.0, 1)], ids=str
)
def test_threads_are_as_many_as_cores_are_free(others: float, threads: int):
    machine = Machine()
    cores = machine.cores(4)
    machine.others = others
    assert cores.acquire("a") == CpuShare(threads, 1.0)
    assert cores.acquire("b") == CpuShare(max(1, threads // 2), 0.5)


def test_fewer_threads_than_cores_give_way_only_when_these_are_taken():
    machine = Machine()
    cores = machine.cores(2)
    for others, threads in ((1.0, 2), (2.0, 2), (3.0, 1), (0.0, 2)):
        machine.others = others
        assert cores.acquire("a").threads == threads


def test_what_repeats_bit_for_bit_keeps_its_threads():
    machine = Machine()
    cores = machine.cores(4, give_way=False)
    machine.others = 4.0
    assert cores.acquire("a") == CpuShare(4, 1.0)
    assert cores.free() == 1


def test_busy_cores_are_told_once(caplog: pytest.LogCaptureFixture):
    machine = Machine()
    cores = machine.cores(4)
    with caplog.at_level(logging.INFO):
        cores.acquire("a")
        machine.others = 2.0
        for _ in range(3):
            cores.acquire("a")
    [said] = caplog.records
    assert (said.getMessage(), said.levelname) == ("cores_busy", "WARNING")
    assert said.__dict__["fields"]["takenByOthers"] == 2.0


def test_the_devices_thread_computes_with_what_is_free():
    machine = Machine()
    loop = DeviceLoop().divide(machine.cores(2), use_threads).start()
    usual = torch.get_num_threads()
    try:
        threads: Callable[[], int] = torch.get_num_threads
        assert loop.call(threads, name="ask").future.result(5) == 2
        machine.others = 3.0
        assert loop.call(threads, name="ask").future.result(5) == 1
    finally:
        loop.stop(5)
        torch.set_num_threads(usual)


def test_a_process_that_was_started_again_is_counted_from_its_start():
    before, after = Usage(2, 0, 0, {1: 5.0}), Usage(2, 20, 15, {1: 10.0, 2: 3.0})
    assert taken(before, after) == 0.7


def test_where_the_system_does_not_count_nothing_is_taken():
    assert taken(Usage(2, 0, 0, {1: 5.0}), Usage(2, 0, 0, {1: 10.0})) == 0.0
    assert taken(Usage(2, 0, 0, {1: 5.0}), Usage(2, 20, 1, {1: 10.0})) == 0.0


def test_this_machine_counts():
    found = usage([os.getpid(), 2**30])
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert list(found.ours) == [os.getpid()]
    assert found.ours[os.getpid()] > 0
    assert 0 < found.busy <= found.total
    assert 0 <= Neighbours(every=0).taken() <= found.cores


@pytest.mark.parametrize(
    ("given", "found"),
    [({}, "8000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, "None")],
    ids=str,
)
def test_threads_spin_briefly_unless_the_environment_says_otherwise(given: dict[str, str], found: str):
    asked = "import os, sys, selkie_runner; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    environment = {**kept, **given, "PYTHONPATH": str(PACKAGE)}
    said = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True)
    # torch reads it when it is loaded, so it is not loaded yet
    assert said.stdout.split() == [found, "False"]
