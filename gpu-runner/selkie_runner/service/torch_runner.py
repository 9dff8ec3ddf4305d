"""The ports over a model that PyTorch computes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ..batched import FrozenBase, InferenceEngine, adapter_dtype
from ..errors import InvalidTraining
from ..logs import event
from ..models.loading import LoadedModel
from ..models.support import limits_of
from ..ports import Generator, Model, Scorer
from ..reference.decoding import decode, score
from ..store.artifacts import ArtifactStore
from .admission import Admission
from .device.loop import DeviceLoop
from .huggingface_tokenizer import HuggingFaceTokenizer
from .inference.continuous import ContinuousBatcher, FrozenHost
from .inference.per_adapter import PerAdapterBatcher
from .inference.served_adapters import ServedAdapters
from .metrics import Metrics
from .options import ServingOptions
from .runner import Runner

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TorchRunner(Runner):
    """A runner, with what its trainers compute with.

    Attributes:
        base: what passes over many adapters compute with, for trainings and answers alike; None where each adapter is
            computed by itself.
    """

    loaded: LoadedModel
    base: FrozenBase | None


def assemble(
    loaded: LoadedModel,
    device: DeviceLoop,
    store: ArtifactStore,
    options: ServingOptions | None = None,
    *,
    deterministic: bool = False,
) -> TorchRunner:
    """Wire the parts around a loaded model. With `deterministic`, an answer depends on nothing but its row."""
    options = options or ServingOptions()
    base, limits = _shared(loaded) if options.batched else (None, ())
    frozen = None if base is None else FrozenHost(base, adapter_dtype(base, rows=1))
    adapters = ServedAdapters(
        frozen or loaded.adapters, device, store, list(options.adapter_roots), options.max_adapters
    )
    generator: Generator
    scorer: Scorer
    waiting: Callable[[], Sequence[float]]
    if base is not None and frozen is not None:
        engine = InferenceEngine(
            base,
            loaded.model,
            loaded.tokenizer,
            rows=options.decode_batch,
            prompt_tokens=options.prompt_tokens,
            deterministic=deterministic,
        )
        batcher = ContinuousBatcher(device, adapters, frozen, engine)
        generator, scorer, waiting = batcher.generator, batcher.scorer, batcher.waiting
    else:
        max_rows = 1 if deterministic else options.decode_batch
        alone = partial(PerAdapterBatcher, device, adapters, activate=loaded.adapters.activate, max_rows=max_rows)
        generator = decoding = alone(partial(decode, loaded.model, loaded.tokenizer), name="decode")
        scorer = scoring = alone(partial(score, loaded.model), name="score")

        def both_waiting() -> list[float]:
            return sorted([*decoding.waiting(), *scoring.waiting()])

        waiting = both_waiting

    admission = Admission(options.max_rows, waiting)
    return TorchRunner(
        model=_described(loaded, (*limits, *limits_of(loaded.model.config))),
        device=device,
        store=store,
        adapters=adapters,
        generator=generator,
        scorer=scorer,
        admission=admission,
        metrics=Metrics(device, adapters, admission),
        loaded=loaded,
        base=base,
    )


def _described(loaded: LoadedModel, limits: tuple[str, ...]) -> Model:
    return Model(
        name=loaded.name,
        digest=loaded.digest,
        parameters=loaded.model.num_parameters(),
        dtype=str(loaded.dtype).removeprefix("torch."),
        device=str(loaded.device),
        chat=loaded.chat,
        max_length=loaded.max_length,
        path=loaded.path,
        tokenizer=HuggingFaceTokenizer(loaded.tokenizer),
        limits=limits,
    )


def _shared(loaded: LoadedModel) -> tuple[FrozenBase | None, tuple[str, ...]]:
    """The base for passes over many adapters; None where they cannot compute the model, and why."""
    try:
        return FrozenBase.share(loaded.model), ()
    except InvalidTraining as error:
        event(logger, logging.WARNING, "one_adapter_at_a_time", reason=str(error))
        limits = [f"one adapter at a time: {error}"]
        if not loaded.packs_rows:
            limits.append(
                "its attention mixes packed rows, so it trains with the recipe's lossOnPadding reference alone"
            )
        return None, tuple(limits)
