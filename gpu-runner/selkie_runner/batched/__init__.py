"""The batched engine: hundreds of LoRA layers trained and asked at once on one frozen base, each as if alone."""

from .decoder import FrozenDecoder
from .frozen import FrozenAdapter, FrozenAdapters
from .generation import BatchedDecoder
from .handle import TrainingHandle
from .trainer import BatchedTrainer, StepReport
from .wide import adapter_dtype

__all__ = [
    "BatchedDecoder",
    "BatchedTrainer",
    "FrozenAdapter",
    "FrozenAdapters",
    "FrozenDecoder",
    "StepReport",
    "TrainingHandle",
    "adapter_dtype",
]
