"""Losses as functions of the targets' log-probabilities."""

from typing import Protocol

from torch import Tensor


class Objective(Protocol):
    """One job's loss in one step.

    A target's log-probability is Σ_k q_k log p_k over its labels; with one label it is that token's.
    """

    @property
    def linear(self) -> bool:
        """Whether the derivative is `-weights` for any log-probabilities, so that one pass gives loss and gradient."""
        ...

    def __call__(self, log_probs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Evaluate the loss.

        Args:
            log_probs: [n] of the job's targets, in packed order.
            weights: [n] the rows' weights over the step's number of targets.

        Returns:
            The loss [] and its derivative by `log_probs` [n].
        """
        ...


class WeightedLikelihood:
    """-Σ weight · log-probability: cross-entropy, distillation, replay and policy gradients with one update a batch."""

    linear = True

    def __call__(self, log_probs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        return (-log_probs * weights).sum(), -weights
