"""Training rows: `data.jsonl` with one example per line, tokenised for one model.

| line | the loss is on |
|---|---|
| `{"text": …}` | all of it |
| `{"prompt": …, "completion": …}` | the completion |
| `{"messages": [{"role": …, "content": …}, …]}` | the last message, the assistant's, as the chat template renders it |

Two more fields are optional in any line. `weight`, by default 1, multiplies its loss and may be negative. `softTargets`
holds, for each learnt token (the end token included), the labels that it is to predict: `[[id, probability], …]`.
A line with a completion may name a `teacher` instead, `{"prompt": …, "labelShare": 0…1}`: see `jobs.teacher`.
"""

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from ..errors import InvalidDataset
from .soft_targets import SoftTarget, parse_soft_targets, parse_weight
from .teacher import Teacher, parse_teacher

FILE = "data.jsonl"

_ROLES = ("system", "user", "assistant")
#: of the tokenised datasets that are kept
_CACHE_BYTES = 2**26
#: of a row without its tokens, and of a label of a soft target; about what Python takes
_ROW_BYTES, _LABEL_BYTES = 256, 160


@dataclass(frozen=True)
class Row:
    """One tokenised example.

    Attributes:
        first_target: the tokens from here on are learnt, those before it are only read.
        weight: multiplies the loss.
        soft_targets: one per learnt token, or None where each is to be predicted as it is.
        teacher: whose predictions an engine makes the soft targets of before the first step; None for no teacher.
    """

    ids: tuple[int, ...]
    first_target: int
    weight: float = 1.0
    soft_targets: tuple[SoftTarget, ...] | None = None
    teacher: Teacher | None = None

    @property
    def predicted_soft_targets(self) -> tuple[SoftTarget, ...] | None:
        """The soft targets without that of a row's first token, which nothing before it predicts."""
        if self.soft_targets is None or self.first_target > 0:
            return self.soft_targets
        return self.soft_targets[1:]


class TokenizedBy(Protocol):
    """What tokenising needs of a loaded model; the model's digest covers its tokenizer."""

    @property
    def digest(self) -> str: ...
    @property
    def tokenizer(self) -> PreTrainedTokenizerBase: ...


class _RowCache:
    """Tokenised datasets up to `_CACHE_BYTES`; those that were not used for longest go first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, str, int, bool], tuple[Row, ...]] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, str, int, bool]) -> tuple[Row, ...] | None:
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: tuple[str, str, int, bool], rows: tuple[Row, ...]) -> None:
        self._entries[key] = rows
        self._bytes += _bytes_of(rows)
        while self._bytes > _CACHE_BYTES:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= _bytes_of(oldest)


_cache = _RowCache()
#: one object per token id, so that a row takes 8 bytes per token
_shared_ids: dict[int, int] = {}


def file_of(dataset: Path) -> Path:
    """The file with the examples: the dataset itself, or the one in its folder."""
    return dataset / FILE if dataset.is_dir() else dataset


def load_rows(dataset: Path, model: TokenizedBy, max_length: int, append_eos: bool) -> tuple[Row, ...]:
    """Read and tokenise a dataset: a folder with `data.jsonl`, or that file. Known ones come from memory.

    Raises:
        InvalidDataset: the file is missing or empty, or a line is broken or has nothing to learn; names the line.
    """
    file = file_of(dataset)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidDataset(f"cannot read {file}: {error}") from error
    key = (hashlib.sha256(content).hexdigest(), model.digest, max_length, append_eos)
    if (known := _cache.get(key)) is not None:
        return known
    encoded: list[Row] = []
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            try:
                encoded.append(encode(json.loads(line), model.tokenizer, max_length, append_eos))
            except ValueError as error:
                raise InvalidDataset(f"{file.name} line {number}: {error}") from error
    if not encoded:
        raise InvalidDataset(f"{file.name} has no examples")
    rows = tuple(encoded)
    _cache.put(key, rows)
    return rows


def _bytes_of(rows: tuple[Row, ...]) -> int:
    tokens = sum(len(row.ids) for row in rows)
    labels = sum(len(target) for row in rows for target in row.soft_targets or ())
    return 8 * tokens + _ROW_BYTES * len(rows) + _LABEL_BYTES * labels


def encode(example: object, tokenizer: PreTrainedTokenizerBase, max_length: int, append_eos: bool) -> Row:
    """Tokenise one example.

    What is read and what is learnt are tokenised apart, because a server tokenises the prompt alone: the model is
    trained on exactly the tokens that it will be asked to continue. A row cut at `max_length` has no end token.

    Raises:
        ValueError: the example is none of the three kinds, an optional field is malformed, or nothing to learn is left.
    """
    weight, soft_targets, teacher = 1.0, None, None
    if isinstance(example, dict):
        example = dict(cast(dict[str, object], example))
        weight, soft_targets = parse_weight(example.pop("weight", 1.0)), example.pop("softTargets", None)
        if (said := example.pop("teacher", None)) is not None:
            teacher = _teacher(said, example, tokenizer)
    match example:
        case {"text": str(text), **rest} if text and not rest:
            read, learnt = [], _ids(tokenizer, text, special=True)
        case {"prompt": str(prompt), "completion": str(completion), **rest} if completion and not rest:
            read = _ids(tokenizer, prompt, special=True)
            learnt = _ids(tokenizer, completion, special=False)
        case {"messages": [_, _, *_] as messages, **rest} if not rest:
            read_text, learnt_text = _rendered(tokenizer, cast(list[object], messages))
            read = _ids(tokenizer, read_text, special=False)
            learnt = _ids(tokenizer, learnt_text, special=False)
        case _:
            raise ValueError('must be {"text"}, {"prompt", "completion"} or {"messages"} with two messages or more')
    if append_eos and (not learnt or learnt[-1] != tokenizer.eos_token_id):
        learnt.append(cast(int, tokenizer.eos_token_id))
    if not learnt or len(read) >= max_length:
        raise ValueError(
            f"nothing to learn is left: {len(read)} tokens before it, at most {max_length} are used;"
            " raise the recipe's maxLength or shorten the prompt"
        )
    ids = tuple(_shared_ids.setdefault(token, token) for token in (read + learnt)[:max_length])
    if teacher is not None and soft_targets is not None:
        raise ValueError("a line has softTargets or a teacher, not both")
    if soft_targets is not None:
        soft_targets = parse_soft_targets(soft_targets, len(learnt), len(tokenizer))[: len(ids) - len(read)]
    return Row(ids, len(read), weight, soft_targets, teacher)


def _teacher(said: object, example: dict[str, object], tokenizer: PreTrainedTokenizerBase) -> Teacher:
    prompt, label_share = parse_teacher(said)
    if "completion" not in example:
        raise ValueError("only a line with a completion has a teacher")
    ids = _ids(tokenizer, prompt, special=True)
    if not ids:
        raise ValueError("the teacher's prompt is empty")
    return Teacher(tuple(ids), label_share)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, special: bool) -> list[int]:
    # verbose=False: a text above the model's length is cut by us, there is nothing to warn of
    return cast(list[int], tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"])


def _rendered(tokenizer: PreTrainedTokenizerBase, messages: list[object]) -> tuple[str, str]:
    for message in messages:
        match message:
            case {"role": role, "content": str(), **rest} if role in _ROLES and not rest:
                pass
            case _:
                raise ValueError(f'a message must be {{"role", "content"}} with one of the roles {", ".join(_ROLES)}')
    chat = cast(list[dict[str, Any]], messages)
    if chat[-1]["role"] != "assistant":
        raise ValueError("the last message must be the assistant's: it is what is learnt")
    if tokenizer.chat_template is None:
        raise ValueError("the model has no chat template; use text, or prompt and completion")
    try:
        before = cast(str, tokenizer.apply_chat_template(chat[:-1], tokenize=False, add_generation_prompt=True))
        whole = cast(str, tokenizer.apply_chat_template(chat, tokenize=False))
    except TemplateError as error:
        raise ValueError(f"the model's chat template refuses these messages: {error}") from error
    if not whole.startswith(before):
        raise ValueError(
            "the model's chat template renders the prompt otherwise once it is answered; use prompt and completion"
        )
    # templates close a message with a line break after the end token, which no generation ever reaches
    return before, whole[len(before) :].rstrip()
