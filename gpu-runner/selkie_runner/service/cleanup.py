"""What killed processes left behind, removed at the start."""

import logging
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from ..logs import event

#: the folders are shared: what is younger may be another process's work
_HALF_WRITTEN_SECONDS: Final = 3600
#: a training without a request for this long was given up; a later request starts it from the beginning
_ABANDONED_SECONDS: Final = 14 * 24 * 3600
_TEMPORARY: Final = re.compile(r"^\..+\.[0-9a-f]{32}\.tmp$")

logger = logging.getLogger(__name__)


def sweep(store: Path, work: Path, cache: Path) -> None:
    """Remove half-written files of an hour ago, and the work folders of trainings that are published or given up."""
    half_written = _older(
        _HALF_WRITTEN_SECONDS,
        chain(
            temporaries(cache, cache / "digests", store / "trainings"),
            temporaries(*(store / "sha256").glob("*")),
            temporaries(*(work / "trainings").glob("*")),
        ),
    )
    for path in chain(half_written, _finished(store, work), _older(_ABANDONED_SECONDS, (work / "trainings").glob("*"))):
        remove(path)


def temporaries(*folders: Path) -> Iterator[Path]:
    """Entries of the folders that `atomic_file` and `atomic_folder` did not live to complete, or still write."""
    for folder in folders:
        yield from (path for path in folder.glob(".*.tmp") if _TEMPORARY.match(path.name))


def remove(path: Path) -> None:
    """Remove a file or folder, and say so."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    event(logger, logging.INFO, "leftover_removed", path=str(path))


def _finished(store: Path, work: Path) -> Iterator[Path]:
    for folder in (work / "trainings").glob("*"):
        if (store / "trainings" / f"{folder.name}.json").exists():
            yield folder


def _older(seconds: float, paths: Iterable[Path]) -> Iterator[Path]:
    """The paths not written to for `seconds`; a folder's entries count as the folder."""
    now = time.time()
    for path in paths:
        try:
            latest = max(entry.stat().st_mtime for entry in (path, *path.glob("*")))
        except FileNotFoundError:
            continue  # another process was quicker
        if now - latest > seconds:
            yield path
