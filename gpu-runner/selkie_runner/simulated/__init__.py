"""An engine without a model: it computes nothing and draws what it answers, with the noise that SEAL's edits have.

It serves every port, so that thousands of trials run on two cores and what surrounds an engine can be tested at scale.
Everything that it draws follows from the model's digest, the dataset, the recipe and the seed. No result of it says
anything about a model: the engine's name in each of them is `simulated`.
"""

from .adapter import SimulatedAdapters
from .answers import SimulatedGenerator, SimulatedScorer
from .knowledge import Knowledge, simulated_digest
from .text import PieceTokenizer
from .trainer import SimulatedTrainer

__all__ = [
    "Knowledge",
    "PieceTokenizer",
    "SimulatedAdapters",
    "SimulatedGenerator",
    "SimulatedScorer",
    "SimulatedTrainer",
    "simulated_digest",
]
