"""What the start of a runner removes, and what it leaves."""

import os
import time
from pathlib import Path

from selkie_runner.files import atomic_file, atomic_folder
from selkie_runner.service.cleanup import sweep

HOUR = 3600
KEY, OTHER = "a" * 64, "b" * 64


def aged(path: Path, seconds: float) -> Path:
    """Pretend that the path and what is in it were written so long ago."""
    then = time.time() - seconds
    for entry in (*path.rglob("*"), path):
        os.utime(entry, (then, then))
    return path


def half_written(target: Path, *, folder: bool = False) -> Path:
    """What a process that was killed in the middle of writing `target` leaves."""
    writing = atomic_folder(target) if folder else atomic_file(target)
    path = writing.__enter__()
    if not folder:
        path.touch()
    path.rename(kept := path.with_name("kept"))
    writing.__exit__(GeneratorExit, GeneratorExit(), None)
    return kept.rename(path)


def test_half_written_files_go_once_they_are_old(tmp_path: Path):
    store, work, cache = (tmp_path / name for name in ("store", "work", "cache"))
    targets = [
        (store / "sha256" / "aa" / KEY, True),
        (store / "trainings" / f"{KEY}.json", False),
        (work / "trainings" / KEY / "checkpoint.safetensors", False),
        (cache / "model", True),
        (cache / "digests" / KEY, False),
    ]
    old = [aged(half_written(target, folder=folder), 2 * HOUR) for target, folder in targets]
    new = [half_written(target, folder=folder) for target, folder in targets]
    sweep(store, work, cache)
    assert [path.exists() for path in old] == [False] * len(old)
    assert [path.exists() for path in new] == [True] * len(new)


def test_work_folders_go_when_published_or_given_up(tmp_path: Path):
    store, work = tmp_path / "store", tmp_path / "work"
    published, kept, given_up = (work / "trainings" / (digit * 64) for digit in "abc")
    for folder in (published, kept, given_up):
        folder.mkdir(parents=True)
        (folder / "checkpoint.safetensors").touch()
    aged(kept, 24 * HOUR)
    aged(given_up, 30 * 24 * HOUR)
    (store / "trainings").mkdir(parents=True)
    (store / "trainings" / f"{published.name}.json").write_text("{}")
    sweep(store, work, tmp_path / "cache")
    assert list((work / "trainings").iterdir()) == [kept]


def test_a_first_start_has_nothing_to_sweep(tmp_path: Path):
    sweep(tmp_path / "store", tmp_path / "work", tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []
