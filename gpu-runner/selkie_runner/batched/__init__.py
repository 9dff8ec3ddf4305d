"""The batched engine: hundreds of LoRA layers trained at once on one frozen base, each as if it were alone."""

from .handle import TrainingHandle
from .trainer import BatchedTrainer, StepReport

__all__ = ["BatchedTrainer", "StepReport", "TrainingHandle"]
