"""Which questions an adapter can answer, drawn with the variance components of SEAL's self-edits.

A question is answered rightly where a normal latent is above a threshold. Its variance is 1, in shares:

| share of the latent | varies with | variance of a right answer (0 or 1) |
|---|---|---|
| 0.501 | the question | 0.074 |
| 0.015 | the edit | 0.002 |
| 0.084 | the edit and the question | 0.015 |
| 0.044 | the training, all its questions alike | 0.006 |
| 0.357 | the training and the question | 0.13, what is left |

The right column is SEAL's, from its `rank_iter0.json` (50 passages × 5 edits × 4.5 questions × 3 runs). The left one
solves it: two answers that share a latent of correlation r have the covariance of two thresholded normals.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Final

from .draws import digest, normal

#: of the variance of the latent
_QUESTION: Final = 0.50097
_EDIT: Final = 0.01463
_EDIT_QUESTION: Final = 0.08371
_REPEAT: Final = 0.04368
_RESIDUAL: Final = 1 - _QUESTION - _EDIT - _EDIT_QUESTION - _REPEAT

#: the latent of a right answer is above; 0.348 of the answers that an adapter has learnt, 0.58 of those in a prompt
_ADAPTER_THRESHOLD: Final = -NormalDist().inv_cdf(0.3477)
_PROMPT_THRESHOLD: Final = -NormalDist().inv_cdf(0.58)


def simulated_digest(model: str) -> str:
    """The digest of a simulated model of that name: it covers no weights, and no real model has it."""
    return digest("selkie simulated model, version 1", model)


@dataclass(frozen=True)
class Training:
    """What a training's draws follow from.

    Attributes:
        edit: digest of its dataset.
        run: digest of everything that makes it this training: base, stack, dataset, recipe and seed.
    """

    edit: str
    run: str


@dataclass(frozen=True)
class Knowledge:
    """What is known of a base model, by the model's digest."""

    model_digest: str

    def in_adapter(self, training: Training, question: str) -> bool:
        """Whether an adapter answers a question about what it was trained on."""
        latent = (
            sqrt(_QUESTION) * normal(self.model_digest, "question", question)
            + sqrt(_EDIT) * normal(self.model_digest, "edit", training.edit)
            + sqrt(_EDIT_QUESTION) * normal(self.model_digest, "edit", training.edit, question)
            + sqrt(_REPEAT) * normal(self.model_digest, "run", training.run)
            + sqrt(_RESIDUAL) * normal(self.model_digest, "run", training.run, question)
        )
        return latent > _ADAPTER_THRESHOLD

    def in_prompt(self, question: str) -> bool:
        """Whether the model finds the answer in a prompt that holds it."""
        shared = sqrt(_QUESTION) * normal(self.model_digest, "question", question)
        return shared + sqrt(1 - _QUESTION) * normal(self.model_digest, "prompt", question) > _PROMPT_THRESHOLD
