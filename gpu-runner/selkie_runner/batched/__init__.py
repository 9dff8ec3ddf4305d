"""The batched engine: hundreds of LoRA layers trained and asked at once on one frozen base, each as if alone."""

from .base import FrozenBase
from .inference.engine import InferenceEngine
from .lora.frozen import FrozenAdapter, FrozenAdapters, load_frozen
from .lora.mixed_precision import adapter_dtype
from .training.handle import TrainingHandle
from .training.trainer import BatchedTrainer, StepReport

__all__ = [
    "BatchedTrainer",
    "FrozenAdapter",
    "FrozenAdapters",
    "FrozenBase",
    "InferenceEngine",
    "StepReport",
    "TrainingHandle",
    "adapter_dtype",
    "load_frozen",
]
