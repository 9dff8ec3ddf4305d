"""What the service knows of an engine: a described model, three ports to work with it, and what they can do.

HTTP, Temporal, metrics and health use nothing else. `service/torch_runner.py` builds the ports over PyTorch,
`service/simulated_runner.py` over nothing at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from .jobs.hooks import StepHook
from .jobs.job import TrainingJob, TrainingResult
from .rows.rows import DecodedRow, DecodeRow, ScoredRow, ScoreRow

EngineName = Literal["batched", "solo", "simulated"]

Row_contra = TypeVar("Row_contra", contravariant=True)
Out = TypeVar("Out")


class TemplateRefused(ValueError):
    """The model's chat template does not take the conversation: its roles, their order, or a variable."""


class Tokenizer(Protocol):
    """Text to token ids and back. Any thread."""

    @property
    def vocabulary(self) -> int:
        """Every token id is below this."""
        ...

    @property
    def longest_token(self) -> int:
        """No token has more characters of a text."""
        ...

    def encode(self, text: str, *, special_tokens: bool) -> list[int]:
        """Token ids of a text; with `special_tokens` those that the model expects around it too."""
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token ids."""
        ...

    def token_bytes(self, token: int) -> bytes:
        """The UTF-8 of one token, which may be a part of a character."""
        ...

    def render(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool, variables: Mapping[str, object]
    ) -> str | None:
        """A conversation in the model's chat template; None where the model has none.

        Args:
            variables: what the template reads besides the messages.

        Raises:
            TemplateRefused: the template does not take the conversation or a variable.
        """
        ...


@dataclass(frozen=True)
class Model:
    """The base model, as clients and workflows see it.

    Attributes:
        digest: sha256 of what decides its answers.
        parameters: of the base, adapters not counted.
        dtype: what it computes in, such as `bfloat16`.
        device: where it computes, such as `cuda:0`.
        chat: it is asked by its chat template.
        max_length: tokens of a prompt and its answer, or of a training row, at most.
        path: the folder that it was loaded from.
        limits: what this runner can do less with it than with others, each in a clause.
    """

    name: str
    digest: str
    parameters: int
    dtype: str
    device: str
    chat: bool
    max_length: int
    path: Path
    tokenizer: Tokenizer
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """What the ports of one runner can do.

    Attributes:
        deterministic: a training and an answer repeat bit for bit, whatever runs at the same time.
        max_rank: of an adapter that it exports or serves.
        max_rows: rows that share a forward pass.
    """

    engine: EngineName
    trains: bool
    generates: bool
    scores: bool
    exports: bool
    deterministic: bool
    max_rank: int
    max_rows: int


@dataclass(frozen=True)
class ServedAdapter:
    """A name that clients ask for, and the PEFT folder that it names.

    Attributes:
        key: its name on the device; a name that is loaded again gets a new key.
        lowest_layer: the adapter changes no layer of the base below this one.
    """

    name: str
    path: Path
    created: int
    key: str
    lowest_layer: int


class Adapters(Protocol):
    """Adapters whose weights the device holds. Device thread only."""

    def load(self, name: str, folder: Path) -> None:
        """Load a PEFT folder under a name; raises `InvalidAdapter` where it does not fit this base."""
        ...

    def unload(self, name: str) -> None:
        """Free what was loaded under a name."""
        ...


class Answering(Protocol[Row_contra, Out]):
    """Answers one kind of row, for the base and for all its adapters."""

    async def answer(self, adapter: ServedAdapter | None, rows: Sequence[Row_contra]) -> list[Out]:
        """The rows' answers, in order. Cancelling this drops the rows at the device's next step.

        Raises:
            EngineError: computing a row failed.
            DeviceStopped: the runner is shutting down.
        """
        ...


Generator = Answering[DecodeRow, DecodedRow]
Scorer = Answering[ScoreRow, ScoredRow]


class Trainer(Protocol):
    """Trains jobs on the runner's device."""

    @property
    def engine(self) -> EngineName: ...

    async def train(self, job: TrainingJob, folder: Path, tenant: str, hooks: Sequence[StepHook]) -> TrainingResult:
        """Train to the end, or to where a hook ends it. Cancelling returns once the device has let go of the job.

        Args:
            folder: belongs to this training; a checkpoint there is resumed, the exported adapters are written there.
            tenant: who waits for it; the device is shared fairly among tenants.
            hooks: are called between its steps.

        Raises:
            EngineError: the job cannot be trained, or a hook raised it.
            RunnerStopping: a hook interrupted the training.
            DeviceStopped: the device takes no more work.
        """
        ...
