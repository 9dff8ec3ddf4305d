"""The parts of one running gpu-runner, whatever computes behind its ports."""

from dataclasses import dataclass

from ..ports import Capabilities, Generator, Model, Scorer, Trainer
from ..store.artifacts import ArtifactStore
from .admission import Admission
from .device.loop import DeviceLoop
from .inference.served_adapters import ServedAdapters
from .metrics import Metrics


@dataclass(frozen=True)
class Runner:
    """One model on one device, and everything that answers from it."""

    model: Model
    device: DeviceLoop
    store: ArtifactStore
    adapters: ServedAdapters
    generator: Generator
    scorer: Scorer
    admission: Admission
    metrics: Metrics


@dataclass(frozen=True)
class Backend:
    """A runner with the trainer that works on the same device."""

    runner: Runner
    trainer: Trainer
    capabilities: Capabilities
