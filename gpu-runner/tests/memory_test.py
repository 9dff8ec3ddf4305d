"""Memory that a process may take: the machine's, or what a container's limits leave."""

from pathlib import Path

import psutil
import pytest

from selkie_runner import memory

GIB = 2**30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made /proc and /sys/fs/cgroup, of a machine with much free memory."""
    monkeypatch.setattr(memory, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(psutil, "virtual_memory", type("Memory", (), {"available": 64 * GIB}))
    (tmp_path / "proc" / "self").mkdir(parents=True)
    return tmp_path


def limit(machine: Path, line: str, group: str, files: dict[str, str]) -> None:
    (machine / "proc" / "self" / "cgroup").write_text(line + "\n")
    folder = machine / "cgroup" / group
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content + "\n")


def test_without_limits_the_machines_free_memory_counts(machine: Path) -> None:
    assert memory.free_bytes() == 64 * GIB
    limit(machine, "0::/", "", {"memory.max": "max", "memory.current": "5"})
    assert memory.free_bytes() == 64 * GIB


def test_the_nearest_limit_of_a_container_counts_and_its_page_cache_is_free(machine: Path) -> None:
    used = {"memory.max": str(8 * GIB), "memory.current": str(3 * GIB), "memory.stat": f"anon 1\ninactive_file {GIB}"}
    limit(machine, "0::/pod/runner", "pod/runner", used)
    assert memory.free_bytes() == 6 * GIB
    limit(machine, "0::/pod/runner", "pod", {"memory.max": str(6 * GIB), "memory.current": str(5 * GIB)})
    assert memory.free_bytes() == GIB
    limit(machine, "0::/pod/runner", "pod", {"memory.max": str(4 * GIB)})
    assert memory.free_bytes() == 0


def test_a_container_that_sees_its_own_group_alone_reads_the_root(machine: Path) -> None:
    limit(machine, "0::/../../host/path", "", {"memory.max": str(2 * GIB), "memory.current": "0"})
    assert memory.free_bytes() == 2 * GIB


def test_limits_of_version_1_count(machine: Path) -> None:
    used = {"memory.limit_in_bytes": str(3 * GIB), "memory.usage_in_bytes": str(GIB)}
    limit(machine, "7:cpu,memory:/docker/x", "memory/docker/x", used)
    assert memory.free_bytes() == 2 * GIB


def test_a_process_knows_its_own_memory() -> None:
    held = memory.process_bytes()
    assert 2**20 < held < 2**40
    memory.return_free_memory()
