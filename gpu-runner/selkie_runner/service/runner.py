"""The parts of one running gpu-runner, put together once."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..artifacts import ArtifactStore
from ..decode import DecodedRow, DecodeRow, ScoredRow, ScoreRow, decode, score
from ..models import LoadedModel
from .batcher import Batcher
from .device import DeviceLoop
from .metrics import Metrics
from .served import ServedAdapters


@dataclass(frozen=True)
class Runner:
    """One model on one device, and everything that works on it.

    Attributes:
        parameters: of the base model, adapters not counted.
    """

    model: LoadedModel
    parameters: int
    device: DeviceLoop
    store: ArtifactStore
    adapters: ServedAdapters
    decoder: Batcher[DecodeRow, DecodedRow]
    scorer: Batcher[ScoreRow, ScoredRow]
    metrics: Metrics


def assemble(
    model: LoadedModel,
    device: DeviceLoop,
    store: ArtifactStore,
    *,
    decode_batch: int = 16,
    max_adapters: int = 64,
    adapter_roots: list[Path] | None = None,
) -> Runner:
    """Wire the parts around a loaded model.

    Args:
        decode_batch: rows of one adapter that share a forward pass; 1 makes answers repeat bit for bit.
        max_adapters: served adapters whose weights stay on the device.
        adapter_roots: folders from which clients may load adapters; the store where empty.
    """
    adapters = ServedAdapters(model.adapters, device, store, adapter_roots or [], max_adapters)
    decoder: Batcher[DecodeRow, DecodedRow] = Batcher(
        device, adapters, partial(decode, model.model, model.tokenizer), max_rows=decode_batch, name="decode"
    )
    scorer: Batcher[ScoreRow, ScoredRow] = Batcher(
        device, adapters, partial(score, model.model), max_rows=decode_batch, name="score"
    )
    metrics = Metrics(device, adapters, lambda: decoder.waiting() + scorer.waiting())
    parameters = model.model.num_parameters()
    return Runner(model, parameters, device, store, adapters, decoder, scorer, metrics)
