"""The batched engine: hundreds of LoRA layers trained and asked at once on one frozen base, each as if alone."""

from .base import FrozenDecoder
from .inference.engine import BatchedDecoder
from .lora.frozen import FrozenAdapter, FrozenAdapters
from .lora.mixed_precision import adapter_dtype
from .training.handle import TrainingHandle
from .training.trainer import BatchedTrainer, StepReport

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
