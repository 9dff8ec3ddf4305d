"""The parts of one running gpu-runner, put together once."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..batched import FrozenAdapters, FrozenBase, InferenceEngine, adapter_dtype
from ..errors import InvalidTraining
from ..logs import event
from ..models.loading import LoadedModel
from ..reference.decoding import decode, score
from ..rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow
from ..store.artifacts import ArtifactStore
from .device.loop import DeviceLoop
from .http.admission import Admission
from .inference.continuous import ContinuousDecoding, FrozenHost
from .inference.per_adapter import Batcher
from .inference.protocol import Answering
from .inference.served_adapters import ServedAdapters
from .metrics import Metrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runner:
    """One model on one device, and everything that works on it.

    Attributes:
        parameters: of the base model, adapters not counted.
        base: what passes over many adapters compute with, for trainings and answers alike; None where each adapter is
            computed by itself.
    """

    model: LoadedModel
    parameters: int
    base: FrozenBase | None
    device: DeviceLoop
    store: ArtifactStore
    adapters: ServedAdapters
    decoder: Answering[DecodeRow, DecodedRow]
    scorer: Answering[ScoreRow, ScoredRow]
    admission: Admission
    metrics: Metrics


@dataclass(frozen=True)
class ServingOptions:
    """How to answer.

    Attributes:
        batched: let rows of all adapters share a forward pass; otherwise, and where the model's architecture is not one
            that the batched decoder computes, the rows of one adapter do.
        decode_batch: rows that share a forward pass; 1 makes answers repeat bit for bit.
        max_rows: answers that are waited for or under way; a request beyond is told to come again later.
        max_adapters: served adapters whose weights stay on the device.
        adapter_roots: folders from which clients may load adapters; the store where empty.
    """

    batched: bool = True
    decode_batch: int = 64
    max_rows: int = 8192
    max_adapters: int = 64
    adapter_roots: tuple[Path, ...] = ()


def assemble(
    model: LoadedModel, device: DeviceLoop, store: ArtifactStore, options: ServingOptions | None = None
) -> Runner:
    """Wire the parts around a loaded model."""
    options = options or ServingOptions()
    base = _shared(model) if options.batched else None
    frozen = None if base is None else FrozenHost(FrozenAdapters(base, adapter_dtype(base, rows=1)))
    adapters = ServedAdapters(
        frozen or model.adapters, device, store, list(options.adapter_roots), options.max_adapters
    )
    decoder: Answering[DecodeRow, DecodedRow]
    scorer: Answering[ScoreRow, ScoredRow]
    if base is not None and frozen is not None:
        batched = InferenceEngine(base, model.model, model.tokenizer, rows=options.decode_batch)
        decoding = ContinuousDecoding(device, adapters, frozen, batched)
        decoder, scorer, waiting = decoding.generating, decoding.scoring, decoding.waiting
    else:
        alone = partial(Batcher, device, adapters, activate=model.adapters.activate, max_rows=options.decode_batch)
        decoder = generating = alone(partial(decode, model.model, model.tokenizer), name="decode")
        scorer = scoring = alone(partial(score, model.model), name="score")

        def waiting() -> list[float]:
            return sorted([*generating.waiting(), *scoring.waiting()])

    admission = Admission(options.max_rows, waiting)
    metrics = Metrics(device, adapters, admission)
    return Runner(
        model, model.model.num_parameters(), base, device, store, adapters, decoder, scorer, admission, metrics
    )


def _shared(model: LoadedModel) -> FrozenBase | None:
    """The base for passes over many adapters, or None with a warning where they cannot compute the model."""
    try:
        return FrozenBase.share(model.model)
    except InvalidTraining as error:
        event(logger, logging.WARNING, "one_adapter_at_a_time", reason=str(error))
        return None
