"""A training's state between two steps, as one safetensors file that is either complete or not there."""

import logging
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..files import atomic_file
from .work_folder import CHECKPOINT

_log = logging.getLogger(__name__)
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Checkpoint:
    """What a file held besides the tensors, which went where they belong.

    Attributes:
        step: finished steps.
        loss: of the last one.
        tokens: real tokens of all of them.
    """

    step: int
    loss: float
    tokens: int


def save(
    folder: Path,
    training_key: str,
    checkpoint: Checkpoint,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write parameters and optimizer state after `checkpoint.step` finished steps, in place of the file before."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        tensors[name] = parameter.detach()
        for moment in _MOMENTS:
            tensors[f"{name}.{moment}"] = optimizer.state[parameter][moment]
    # the loss as its eight bytes, so that nothing is lost on the way through text
    metadata = {
        "training_key": training_key,
        "step": str(checkpoint.step),
        "tokens": str(checkpoint.tokens),
        "loss": struct.pack(">d", checkpoint.loss).hex(),
    }
    with atomic_file(folder / CHECKPOINT) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def restore(
    folder: Path, training_key: str, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> Checkpoint | None:
    """Put a checkpoint's state into parameters and optimizer, bit for bit. `None`: there is none, nothing was changed.

    Raises:
        ValueError: the folder belongs to another training.
    """
    file = folder / CHECKPOINT
    if not file.exists():
        return None
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata()
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 -- it is no mapping
    except (OSError, SafetensorError) as error:
        _log.warning("starting over, the checkpoint %s cannot be read: %s", file, error)
        return None
    if metadata["training_key"] != training_key:
        raise ValueError(f"{folder} holds a checkpoint of training {metadata['training_key']}, not of {training_key}")
    step = int(metadata["step"])
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])
            moments = {moment: tensors[f"{name}.{moment}"].to(parameter.device) for moment in _MOMENTS}
            optimizer.state[parameter] = {"step": torch.tensor(float(step), device=parameter.device), **moments}
    loss = struct.unpack(">d", bytes.fromhex(metadata["loss"]))[0]
    return Checkpoint(step=step, loss=loss, tokens=int(metadata["tokens"]))
