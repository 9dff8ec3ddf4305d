"""The runner and the trainer of the simulated engine. Loads no model and imports no torch."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ..models.spec import ModelSpec
from ..ports import Capabilities, Model
from ..simulated import (
    Knowledge,
    PieceTokenizer,
    SimulatedAdapters,
    SimulatedGenerator,
    SimulatedScorer,
    SimulatedTrainer,
    simulated_digest,
)
from ..store.artifacts import ArtifactStore
from .admission import Admission
from .device.loop import DeviceLoop
from .inference.served_adapters import ServedAdapters
from .metrics import Metrics
from .options import Options
from .runner import Backend, Runner

#: that the contract allows
_MAX_RANK: Final = 256


@asynccontextmanager
async def open_simulated(options: Options, spec: ModelSpec, store: ArtifactStore) -> AsyncGenerator[Backend]:
    """Serve a model of the registry in name only; the digest is none that a real model can have."""
    device = DeviceLoop().start()
    try:
        yield assemble_simulated(options, spec, store, device)
    finally:
        await asyncio.to_thread(device.stop)


def assemble_simulated(options: Options, spec: ModelSpec, store: ArtifactStore, device: DeviceLoop) -> Backend:
    """Wire the parts around nothing."""
    digest, tokenizer, serving = simulated_digest(spec.name), PieceTokenizer(), options.serving
    knowledge = Knowledge(digest)
    adapters = ServedAdapters(
        SimulatedAdapters(digest), device, store, list(serving.adapter_roots), serving.max_adapters
    )
    # every answer is drawn at once: no row ever waits
    admission = Admission(serving.max_rows, list)
    metrics = Metrics(device, adapters, admission)
    runner = Runner(
        model=Model(
            name=spec.name,
            digest=digest,
            parameters=1,
            dtype="simulated",
            device="simulated",
            chat=spec.chat,
            max_length=spec.max_length,
            path=Path("simulated"),
            tokenizer=tokenizer,
        ),
        device=device,
        store=store,
        adapters=adapters,
        generator=SimulatedGenerator(knowledge, tokenizer),
        scorer=SimulatedScorer(knowledge, tokenizer),
        admission=admission,
        metrics=metrics,
    )
    capabilities = Capabilities(
        engine="simulated",
        trains=True,
        generates=True,
        scores=True,
        exports=True,
        deterministic=True,
        max_rank=_MAX_RANK,
        max_rows=serving.max_rows,
    )
    return Backend(runner, SimulatedTrainer(digest, metrics.training_steps.inc), capabilities)
