"""The artifact store. The golden address is fixed: the TypeScript store must give the same files the same one."""

import errno
import hashlib
import threading
from pathlib import Path

import pytest

from selkie_runner.errors import ArtifactMissing, CorruptArtifact, StoreUnavailable, disk_errors
from selkie_runner.store.artifacts import ArtifactRef, ArtifactStore

DATA = b'{"text":"Selkies live in the sea."}\n'
DATA_SHA256 = "8ff2300567c1cc14c9c61d6732dae0612277e2472f21a416ca248b027d847c91"
NESTED = "Å selkie".encode()
NESTED_SHA256 = "6655410e1d350d054b319ca847bf5540df1d57e34149c388d33cb8d4c1bfb286"
MANIFEST = (
    '{"files":[{"bytes":36,"path":"data.jsonl","sha256":"' + DATA_SHA256 + '"},'
    '{"bytes":9,"path":"notes/ö.txt","sha256":"' + NESTED_SHA256 + '"}],"mediaType":"application/x-ndjson"}'
).encode()
GOLDEN = "f3f3f0bda620b4e50eaab61db078af1c934cbfb9295229c07a9589688cfc585c"


def _folder(path: Path) -> Path:
    (path / "notes").mkdir(parents=True)
    (path / "data.jsonl").write_bytes(DATA)
    (path / "notes" / "ö.txt").write_bytes(NESTED)
    return path


def test_golden_address(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "store")
    ref = store.publish(_folder(tmp_path / "source"), "application/x-ndjson")
    assert ref == ArtifactRef(f"artifact:sha256/{GOLDEN}", GOLDEN, 45, "application/x-ndjson")
    folder = store.open(ref.uri)
    assert folder == tmp_path / "store" / "sha256" / GOLDEN[:2] / GOLDEN
    assert (folder / "manifest.json").read_bytes() == MANIFEST
    assert hashlib.sha256(MANIFEST).hexdigest() == GOLDEN
    assert (folder / "notes" / "ö.txt").read_bytes() == NESTED
    assert store.open(GOLDEN) == folder


def test_publishing_again_changes_nothing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "store")
    ref = store.publish(_folder(tmp_path / "source"), "application/x-ndjson")
    inode = store.open(ref.sha256).stat().st_ino
    assert store.publish(tmp_path / "source", "application/x-ndjson") == ref
    assert store.open(ref.sha256).stat().st_ino == inode
    assert [path.name for path in (tmp_path / "store" / "sha256" / GOLDEN[:2]).iterdir()] == [GOLDEN]


def test_publishing_at_once_is_publishing_once(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "store")
    source = _folder(tmp_path / "source")
    refs: list[ArtifactRef] = []
    threads = [threading.Thread(target=lambda: refs.append(store.publish(source, "a/b"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refs) == 8
    assert len(set(refs)) == 1
    assert store.open(refs[0].uri).is_dir()


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest"])
def test_damage_is_found_and_healed_by_publishing_again(damage: str, tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "store")
    ref = store.publish(_folder(tmp_path / "source"), "application/x-ndjson")
    file = store.open(ref.uri) / ("manifest.json" if damage == "manifest" else "data.jsonl")
    content = file.read_bytes()
    match damage:
        case "cut":
            file.write_bytes(content[:-1])
        case "remove":
            file.unlink()
        case _:
            file.write_bytes(content.replace(b"s", b"t", 1))
    with pytest.raises(CorruptArtifact):
        store.open(ref.uri)
    assert store.publish(tmp_path / "source", "application/x-ndjson") == ref
    assert store.open(ref.uri).is_dir()


def test_what_is_not_there_says_so(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    (tmp_path / "sha256").mkdir()
    for address in ("artifact:sha256/" + "0" * 64, "0" * 64):
        with pytest.raises(ArtifactMissing, match="is not in"):
            store.open(address)
    for address in ("artifact:sha256/../../etc", "file:///etc/passwd", ""):
        with pytest.raises(ArtifactMissing, match="no artifact address"):
            store.open(address)


def test_a_store_that_is_empty_is_another_disk_than_the_one_that_was_mounted(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="is it mounted"):
        ArtifactStore(tmp_path).open("0" * 64)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ESTALE, errno.EACCES])
def test_a_disk_that_fails_is_waited_for(number: int) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be used"), disk_errors():
        raise OSError(number, "no")


def test_what_is_asked_wrongly_of_a_disk_stays_what_it_is() -> None:
    with pytest.raises(FileNotFoundError), disk_errors():
        raise FileNotFoundError(errno.ENOENT, "no")
    with pytest.raises(ArtifactMissing), disk_errors():
        raise ArtifactMissing("not there")


def test_an_artifact_that_cannot_be_read_now_is_not_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(tmp_path / "store")
    ref = store.publish(_folder(tmp_path / "source"), "application/x-ndjson")

    def stale(_: Path) -> bytes:
        raise OSError(errno.ESTALE, "stale file handle")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", stale)
        with pytest.raises(OSError, match="stale"):
            store.publish(tmp_path / "source", "application/x-ndjson")
    assert store.open(ref.uri).is_dir()


def test_folder_that_cannot_be_an_artifact_is_refused(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "store")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no files"):
        store.publish(tmp_path / "empty", "a/b")
    linked = _folder(tmp_path / "linked")
    (linked / "link").symlink_to("/etc")
    with pytest.raises(ValueError, match="not a plain file"):
        store.publish(linked, "a/b")
    own = _folder(tmp_path / "own")
    (own / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="writes its own"):
        store.publish(own, "a/b")
