"""Memory of the machine, of the container, and of this process."""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def free_bytes() -> int:
    """What this process can still allocate: the machine's free memory, or less where a container's limit is nearer."""
    return min(psutil.virtual_memory().available, *_free_of_cgroups(_PROC, _CGROUPS))


def process_bytes(process: psutil.Process | None = None) -> int:
    """Memory of a process, by default this one; a page that N processes share counts as 1/N where the system tells."""
    info = (process or psutil.Process()).memory_full_info()
    return getattr(info, "pss", info.rss)


def return_free_memory() -> None:
    """Give the system back what this process has freed and its allocator keeps: for a process that becomes idle."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def _free_of_cgroups(proc: Path, root: Path) -> Iterator[int]:
    """What each limit above this process leaves; a page cache that can be dropped counts as free. None: no limit."""
    yield 2**62
    for line in _lines(proc / "self" / "cgroup"):
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            yield from _walk(root, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _walk(root / "memory", path, *names)


def _walk(root: Path, path: str, limit: str, used: str, droppable: str) -> Iterator[int]:
    # in a container the path may be that of the host, of which only the root is mounted
    group = root / path.strip("/")
    for folder in (group, *group.parents):
        if not folder.is_relative_to(root):
            return
        maximum, current = _number(folder / limit), _number(folder / used)
        if maximum is not None and current is not None:
            stat = dict(line.split() for line in _lines(folder / "memory.stat"))
            yield max(0, maximum - current + int(stat.get(droppable, 0)))


def _number(file: Path) -> int | None:
    """A file's number; None where it says `max`, or is not there."""
    lines = _lines(file)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
