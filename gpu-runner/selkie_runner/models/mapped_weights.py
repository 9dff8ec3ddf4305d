"""Frozen weights as pages of a file, which all processes that compute with a model share."""

from pathlib import Path
from typing import Final

import torch
from torch import nn

from ..files import atomic_file

#: of a tensor's first byte, in cache lines
_ALIGNMENT: Final = 64
#: a larger model is computed in one process alone, so that a second copy on disk would gain nothing
MAX_BYTES: Final = 2**31


def map_weights(model: nn.Module, file: Path) -> None:
    """Put a model's parameters into `file`, if it is not there, and have them read from there, page by page.

    The bits are the same. A write would copy the page for this process alone.
    """
    parameters = list(model.parameters())
    starts: list[int] = []
    size = 0
    for parameter in parameters:
        starts.append(size)
        size += -(-parameter.numel() * parameter.element_size() // _ALIGNMENT) * _ALIGNMENT
    if not file.is_file() or file.stat().st_size != size:
        _write(parameters, starts, size, file)
    mapped = torch.from_file(str(file), shared=False, size=size, dtype=torch.uint8)
    for parameter, start in zip(parameters, starts, strict=True):
        end = start + parameter.numel() * parameter.element_size()
        parameter.data = mapped[start:end].view(parameter.dtype).view(parameter.shape)


def bytes_of(model: nn.Module) -> int:
    """Bytes of a model's parameters; shared ones count once."""
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def _write(parameters: list[nn.Parameter], starts: list[int], size: int, file: Path) -> None:
    whole = torch.zeros(size, dtype=torch.uint8)
    for parameter, start in zip(parameters, starts, strict=True):
        content = parameter.detach().contiguous().view(-1).view(torch.uint8)
        whole[start : start + content.numel()] = content
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as temporary:
        whole.numpy().tofile(temporary)
