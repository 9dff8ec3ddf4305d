"""The content-addressed store, as `src/contract/artifacts.ts` lays it out.

An artifact is a folder `<root>/sha256/<first two>/<sha256>/` with a `manifest.json` that lists each file's path, digest
and size; the sha256 of the manifest's bytes is the address. The TypeScript store gives the same files the same address.
"""

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from ..errors import ArtifactMissing, CorruptArtifact, StoreUnavailable
from ..files import atomic_folder, sha256_of_file

DATASET = "application/x-ndjson"
ADAPTER = "application/vnd.selkie.peft"

_MANIFEST = "manifest.json"
_ADDRESS = re.compile(r"^(?:artifact:sha256/)?([0-9a-f]{64})$")


@dataclass(frozen=True)
class ArtifactRef:
    """A content address. `bytes` is the sum of its files, without the manifest."""

    uri: str
    sha256: str
    bytes: int
    media_type: str


def canonical_json(value: object) -> bytes:
    """RFC 8785 for what manifests hold: objects with ASCII keys, arrays, strings, whole numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class ArtifactStore:
    """Opens and publishes artifacts under one root folder, which other processes share."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, uri_or_sha256: str) -> Path:
        """The folder of an artifact, after its manifest and every file in it were checked against their digests.

        Raises:
            ArtifactMissing: there is no such artifact in this store.
            CorruptArtifact: the bytes are not those of the address.
            StoreUnavailable: the store is empty, so another disk is mounted there, or none.
        """
        match = _ADDRESS.match(uri_or_sha256)
        if match is None:
            raise ArtifactMissing(
                f"{uri_or_sha256!r} is no artifact address; it must be artifact:sha256/<64 hex digits>"
            )
        folder = self._folder(match[1])
        if not folder.is_dir():
            if not (self.root / "sha256").is_dir():
                raise StoreUnavailable(f"artifact {match[1]} is not in {self.root}, which is empty: is it mounted?")
            raise ArtifactMissing(
                f"artifact {match[1]} is not in {self.root}; does this process share the right store?"
            )
        _verify(folder, match[1])
        return folder

    def publish(self, folder: Path, media_type: str) -> ArtifactRef:
        """Copy a folder into the store. Publishing the same files again changes nothing and gives the same address.

        Raises:
            ValueError: the folder is empty, already has a `manifest.json`, or holds anything but plain files.
        """
        files = _describe(folder)
        manifest = canonical_json({"mediaType": media_type, "files": files})
        sha256 = hashlib.sha256(manifest).hexdigest()
        target = self._folder(sha256)
        if target.is_dir():
            try:
                _verify(target, sha256)
            except CorruptArtifact:
                # publishing again repairs what was damaged on disk
                shutil.rmtree(target)
        if not target.is_dir():
            with atomic_folder(target) as copy:
                for file in files:
                    (copy / file["path"]).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(folder / file["path"], copy / file["path"])
                (copy / _MANIFEST).write_bytes(manifest)
                # a source that changed while it was copied must not get the address of what it was
                _verify(copy, sha256)
        size = sum(file["bytes"] for file in files)
        return ArtifactRef(uri=f"artifact:sha256/{sha256}", sha256=sha256, bytes=size, media_type=media_type)

    def _folder(self, sha256: str) -> Path:
        return self.root / "sha256" / sha256[:2] / sha256


def _describe(folder: Path) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = []
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent) / name for name in [*folders, *names]):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ValueError(f"{path} is not a plain file; an artifact holds nothing else")
        for path in (Path(parent) / name for name in names):
            relative = path.relative_to(folder).as_posix()
            if relative == _MANIFEST:
                raise ValueError(f"{folder} has a {_MANIFEST}; the store writes its own")
            files.append({"path": relative, "sha256": sha256_of_file(path), "bytes": path.stat().st_size})
    if not files:
        raise ValueError(f"{folder} has no files to publish")
    return sorted(files, key=lambda file: file["path"])


def _verify(folder: Path, sha256: str) -> None:
    try:
        manifest = (folder / _MANIFEST).read_bytes()
    except FileNotFoundError as error:
        raise CorruptArtifact(f"{folder} has no {_MANIFEST}: {error}") from error
    if hashlib.sha256(manifest).hexdigest() != sha256:
        raise CorruptArtifact(f"the manifest of {folder} does not match its address")
    for entry in cast(list[dict[str, Any]], json.loads(manifest)["files"]):
        relative = PurePosixPath(entry["path"])
        if relative.is_absolute() or ".." in relative.parts:
            raise CorruptArtifact(f"the manifest of {folder} names a file outside it: {relative}")
        path = folder / relative
        if not path.is_file() or path.stat().st_size != entry["bytes"] or sha256_of_file(path) != entry["sha256"]:
            raise CorruptArtifact(f"{path} is missing or does not match its digest")
