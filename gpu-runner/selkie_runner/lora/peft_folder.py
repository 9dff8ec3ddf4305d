"""LoRA layers as PEFT folders: what vLLM, PEFT and this runner load.

Equal weights give equal bytes: no times, no paths, no names of models, tensors in a fixed order.
"""

import json
import shutil
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import InvalidAdapter
from ..files import atomic_folder
from .layer_numbers import WEIGHTS_FILE, layer_number
from .weights import LoraWeights, concatenated

_CONFIG = "adapter_config.json"
_PREFIX = "base_model.model."
_A, _B = ".lora_A.weight", ".lora_B.weight"

# options of a PEFT config that change what an adapter computes, with the only values that this runner applies
_PLAIN = {
    "peft_type": "LORA",
    "bias": "none",
    "use_dora": False,
    "use_rslora": False,
    "fan_in_fan_out": False,
    "lora_bias": False,
    "modules_to_save": None,
    "rank_pattern": {},
    "alpha_pattern": {},
}
#: options that change what an adapter computes, or the base that it was trained on; their default is the plain value
_UNSUPPORTED = (
    "alora_invocation_tokens",
    "arrow_config",
    "corda_config",
    "kasa_config",
    "layer_replication",
    "loftq_config",
    "lora_ga_config",
    "megatron_config",
    "monteclora_config",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_qalora",
    "velora_config",
)
#: options that say where the weights are, or how they were trained
_INERT = (
    "auto_mapping",
    "base_model_name_or_path",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "r",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
)
#: first values that leave the base as it is; others subtract from it what they put into the adapter
_INITIALISATIONS = (True, False, "gaussian", "orthogonal", "eva")
#: every option of a PEFT config that this module knows
KNOWN_OPTIONS = frozenset((*_PLAIN, *_UNSUPPORTED, *_INERT, "init_lora_weights"))


def write_adapter(layer: LoraWeights, folder: Path) -> None:
    """Write a PEFT folder, in place of one that may be there. The scale stays in the config, not in the weights."""
    config: dict[str, Any] = {
        **_PLAIN,
        "base_model_name_or_path": None,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": int(layer.alpha) if float(layer.alpha).is_integer() else layer.alpha,
        "lora_dropout": 0.0,
        "r": layer.rank,
        "target_modules": sorted({module.rsplit(".", 1)[-1] for module in layer.a}),
        "task_type": "CAUSAL_LM",
    }
    layers = sorted({layer_number(module) for module in layer.a})
    if layers[0] > 0:
        # or PEFT would put an empty adapter onto the layers below and warn of it
        config |= {"layers_pattern": "layers", "layers_to_transform": layers}
    tensors: dict[str, Tensor] = {}
    for module in sorted(layer.a):
        tensors[f"{_PREFIX}{module}{_A}"] = layer.a[module].detach().float().cpu().contiguous()
        tensors[f"{_PREFIX}{module}{_B}"] = layer.b[module].detach().float().cpu().contiguous()
    if folder.exists():
        shutil.rmtree(folder)
    with atomic_folder(folder) as temporary:
        (temporary / _CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        save_file(tensors, temporary / WEIGHTS_FILE, metadata={"format": "pt"})


def read_adapter(folder: Path) -> LoraWeights:
    """Read a PEFT folder of a plain LoRA, as fp32 on the CPU.

    Raises:
        InvalidAdapter: a file is missing or broken, the keys or shapes are wrong, or the adapter uses an option that
            this runner would not apply (DoRA, rank patterns, trained biases, …).
    """
    try:
        raw = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, SafetensorError) as error:
        raise InvalidAdapter(f"{folder} is no readable PEFT folder ({_CONFIG}, {WEIGHTS_FILE}): {error}") from error
    if not isinstance(raw, dict):
        raise InvalidAdapter(f"{folder / _CONFIG} is not an object")
    config = cast(dict[str, Any], raw)
    for option, value in config.items():
        if not _is_plain(option, value):
            raise InvalidAdapter(f"{folder / _CONFIG} has {option} = {value!r}; only plain LoRA is supported")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise InvalidAdapter(f"{folder / _CONFIG} needs a whole number r ≥ 1 and a number lora_alpha")
    return LoraWeights(rank=rank, alpha=alpha, **_by_module(tensors, rank, folder / WEIGHTS_FILE))


def _is_plain(option: str, value: object) -> bool:
    """Whether the option leaves an adapter plain LoRA. Of an unknown option only a value that says nothing does."""
    if option in _INERT:
        return True
    if option == "init_lora_weights":
        return value in _INITIALISATIONS
    # empty containers, false and null mean the same
    return (value or None) == (_PLAIN.get(option) or None)


def _by_module(tensors: dict[str, Tensor], rank: int, file: Path) -> dict[str, dict[str, Tensor]]:
    a: dict[str, Tensor] = {}
    b: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        for suffix, side in ((_A, a), (_B, b)):
            if key.startswith(_PREFIX) and key.endswith(suffix):
                side[key[len(_PREFIX) : -len(suffix)]] = tensor.float()
                break
        else:
            raise InvalidAdapter(f"{file} has the key {key}, which is not {_PREFIX}<module>{_A} or {_B}")
    if not a or a.keys() != b.keys():
        raise InvalidAdapter(f"{file} must have A and B of the same modules, at least one")
    for module, tensor in a.items():
        if tensor.ndim != 2 or b[module].ndim != 2 or tensor.shape[0] != rank or b[module].shape[1] != rank:
            shapes = f"A {list(tensor.shape)}, B {list(b[module].shape)}"
            raise InvalidAdapter(f"{file}: {module} has {shapes}; with r = {rank} it must be [r, in] and [out, r]")
    return {"a": a, "b": b}


def concatenate(layers: list[Path], out: Path) -> int:
    """Write a stack of PEFT folders, lowest first, as one PEFT folder `out`, and return its rank.

    A stack one deep is written as it is, so that its bytes are those of the layer.

    Raises:
        InvalidAdapter: a folder is no plain LoRA adapter.
        InvalidTraining: the ranks add up to more than a server can hold.
    """
    weights = [read_adapter(folder) for folder in layers]
    served = weights[0] if len(weights) == 1 else concatenated(weights)
    write_adapter(served, out)
    return served.rank


def write_trained(trained: LoraWeights, stack: list[Path], folder: Path) -> tuple[Path, Path, int]:
    """Write a trained layer, and the adapter that serves it with the stack below, as PEFT folders inside `folder`.

    Returns:
        The layer's folder, the served adapter's (the same without a stack), and the served adapter's rank.

    Raises:
        InvalidAdapter, InvalidTraining: as `concatenate`.
    """
    layer_dir = folder / "layer"
    write_adapter(trained, layer_dir)
    if not stack:
        return layer_dir, layer_dir, trained.rank
    served_dir = folder / "served"
    return layer_dir, served_dir, concatenate([*stack, layer_dir], served_dir)
