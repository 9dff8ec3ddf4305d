"""Which trainings are done: one small file each in the store, written once."""

import json
import logging
import os
import uuid
from pathlib import Path

from pydantic import ValidationError

from ...errors import ArtifactMissing, CorruptArtifact
from ...logs import event
from ...store.artifacts import ArtifactStore
from ...wire import TrainResult, parse, problems

logger = logging.getLogger(__name__)


class PublishedTrainings:
    """The index `<store>/trainings/<trainingKey>.json`, shared by every runner on the store."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def find(self, training_key: str) -> TrainResult | None:
        """The result published under a key, once its artifacts were seen to be whole; None where it is to be trained.

        An entry that cannot be read or whose artifacts are damaged is dropped, so that training again heals it.
        """
        file = self._file(training_key)
        try:
            written = file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            result = parse(TrainResult, json.loads(written))
            for sha256 in {result.adapter.layer.sha256, result.adapter.served.sha256}:
                self._store.open(sha256)
            return result
        except ValidationError as error:
            reason = problems(error)
        except (ValueError, ArtifactMissing, CorruptArtifact) as error:
            reason = str(error)
        event(logger, logging.WARNING, "published_training_unusable", trainingKey=training_key, reason=reason)
        file.unlink(missing_ok=True)
        return None

    def record(self, result: TrainResult) -> TrainResult:
        """Publish a result. First write wins; returns the published result."""
        file = self._file(result.training_key)
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("w", encoding="utf-8") as written:
                json.dump(result.payload(), written)
                written.flush()
                os.fsync(written.fileno())
            os.link(temporary, file)  # unlike a rename it refuses to replace
        except FileExistsError:
            return self.find(result.training_key) or result
        finally:
            temporary.unlink(missing_ok=True)
        return result

    def _file(self, training_key: str) -> Path:
        return self._store.root / "trainings" / f"{training_key}.json"
