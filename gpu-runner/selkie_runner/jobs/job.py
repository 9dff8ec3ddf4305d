"""The input and output of every training engine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Targets = Literal["qv", "all-linear"]
Schedule = Literal["linear", "constant", "cosine"]
LossOnPadding = Literal["mask", "reference"]
Phase = Literal["preparing", "training", "exporting"]


@dataclass(frozen=True)
class Recipe:
    """How one adapter is trained; the fields of the contract's recipe.

    Attributes:
        epochs: passes over the dataset.
        max_steps: cap on optimizer steps; 0 means no cap.
        max_length: tokens of an example that are used, and the padded length of `reference`.
        max_grad_norm: clip to this norm over the whole adapter; 0 means no clipping.
        loss_on_padding: `mask` runs real tokens only; `reference` runs every row padded to `max_length` and takes the
            loss on the padding, as SEAL's training server does.
        append_eos: end every example that was not cut short with the end token.
        frozen_below: the layers up to this share of the model's depth, from the bottom, get no adapter.
    """

    rank: int
    alpha: float
    targets: Targets
    learning_rate: float
    schedule: Schedule
    epochs: int
    batch_size: int
    max_steps: int
    max_length: int
    max_grad_norm: float
    weight_decay: float
    loss_on_padding: LossOnPadding
    append_eos: bool
    frozen_below: float = 0.0

    def lowest_layer(self, layers: int) -> int:
        """Index of the first layer with an adapter, out of `layers`."""
        return int(self.frozen_below * layers)


@dataclass(frozen=True)
class Replay:
    """A second dataset whose rows are added to the steps of a training.

    Attributes:
        dataset: a folder with `data.jsonl`, or that file; a row's `weight` applies as in any dataset.
        ratio: replayed rows per row of a full batch; above 0.
    """

    dataset: Path
    ratio: float


@dataclass(frozen=True)
class TrainingJob:
    """One new layer above a stack of frozen ones.

    Attributes:
        training_key: names the training; a checkpoint of another key is refused.
        stack: PEFT folders of the frozen layers, lowest first.
        dataset: a folder with `data.jsonl`, or that file.
        seed: decides the order of the rows and the first values of A, and nothing else is random.
        replay: rows of an earlier dataset to train on as well; they add no steps.
    """

    training_key: str
    stack: list[Path]
    dataset: Path
    recipe: Recipe
    seed: int
    replay: Replay | None = None


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training is. `loss` is the last step's, `checkpoint` the last step that a checkpoint holds (0: none)."""

    phase: Phase
    step: int
    total_steps: int
    loss: float | None
    checkpoint: int


#: of a training that has not begun
WAITING: Final = TrainingProgress("preparing", 0, 0, None, 0)


@dataclass(frozen=True)
class TrainingResult:
    """A finished training.

    Attributes:
        steps: optimizer steps, those before a resume counted in.
        tokens: real tokens seen, all steps added up.
        final_loss: the last step's loss, the mean over its target tokens.
        update_norm: Frobenius norm of the layer's whole weight update; 0 means that it changes nothing.
        resumed_from_step: the step at which this call began; above 0 when it resumed from a checkpoint.
        layer_dir: the new layer alone, a PEFT folder.
        served_dir: the stack and the new layer as one PEFT folder; the same folder as `layer_dir` without a stack.
        rank: the rank of the adapter in `served_dir`, which a server must allow.
    """

    steps: int
    tokens: int
    final_loss: float | None
    update_norm: float
    resumed_from_step: int
    layer_dir: Path
    served_dir: Path
    rank: int
