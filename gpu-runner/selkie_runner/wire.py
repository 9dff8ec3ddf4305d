"""What crosses a process boundary, as `contract/contract.json` has it: requests, results, error types.

`tests/wire_test.py` holds every model here against that file and its golden payloads.
"""

import math
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

ErrorType = Literal[
    "InvalidConfig",
    "RoundIdTaken",
    "InvalidCorpus",
    "InvalidRequest",
    "InvalidDataset",
    "ModelNotFound",
    "CorruptArtifact",
    "Diverged",
    "DeviceBudgetExceeded",
    "OutOfMemory",
    "ServerRefused",
    "ServerBusy",
    "ServerUnavailable",
    "ServerSlow",
    "LedgerUnavailable",
    "StoreUnavailable",
    "AdapterNotApplied",
    "TooManyFailedTrials",
    "RoundFailed",
    "InvalidResult",
]
ERROR_TYPES: Final[tuple[ErrorType, ...]] = get_args(ErrorType)
RETRYABLE: Final[frozenset[ErrorType]] = frozenset(
    (
        "OutOfMemory",
        "ServerBusy",
        "ServerUnavailable",
        "ServerSlow",
        "LedgerUnavailable",
        "StoreUnavailable",
        "AdapterNotApplied",
    )
)


def _null_unless_finite(value: Any) -> Any:
    """JSON has no NaN and no infinity, and one in a result would wedge the workflow that reads it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
PositiveInt = Annotated[int, Field(gt=0, le=2**53 - 1)]
FiniteOrNull = Annotated[float | None, BeforeValidator(_null_unless_finite)]


class Contract(BaseModel):
    """A payload: camelCase on the wire, unknown keys and loose types refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
    )

    def payload(self) -> dict[str, Any]:
        """This object as plain JSON values."""
        return self.model_dump(mode="json", by_alias=True)


class ArtifactRefPayload(Contract):
    uri: Annotated[str, Field(pattern=r"^artifact:sha256/[0-9a-f]{64}$")]
    sha256: Sha256
    bytes: Count
    media_type: Text


class ManifestFile(Contract):
    path: Text
    sha256: Sha256
    bytes: Count


class ArtifactManifest(Contract):
    media_type: Text
    files: list[ManifestFile]


class AdapterRef(Contract):
    layer: ArtifactRefPayload
    served: ArtifactRefPayload
    rank: PositiveInt


class RecipePayload(Contract):
    rank: Annotated[int, Field(ge=1, le=256)]
    alpha: Annotated[float, Field(gt=0, le=1024)]
    targets: Literal["qv", "all-linear"]
    learning_rate: Annotated[float, Field(gt=0, le=0.1)]
    schedule: Literal["linear", "constant", "cosine"]
    epochs: Annotated[int, Field(ge=1, le=100)]
    batch_size: Annotated[int, Field(ge=1, le=64)]
    max_steps: Annotated[int, Field(ge=0, le=100_000)]
    max_length: Annotated[int, Field(ge=8, le=8192)]
    max_grad_norm: Annotated[float, Field(ge=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    loss_on_padding: Literal["mask", "reference"]
    append_eos: bool
    frozen_below: Annotated[float, Field(ge=0, lt=1)] = 0.0


class ReplayPayload(Contract):
    dataset: ArtifactRefPayload
    ratio: Annotated[float, Field(gt=0, le=4)]


class TrainRequest(Contract):
    training_key: Sha256
    base: Text
    base_digest: Sha256
    stack: Annotated[list[AdapterRef], Field(max_length=8)]
    dataset: ArtifactRefPayload
    replay: ReplayPayload | None = None
    recipe: RecipePayload
    seed: Annotated[int, Field(ge=0, le=2**48)]
    tenant: Text
    max_device_seconds: Annotated[float, Field(gt=0)]


class TrainResult(Contract):
    training_key: Sha256
    adapter: AdapterRef
    steps: Count
    tokens: Count
    final_loss: FiniteOrNull
    update_norm: Annotated[float, Field(ge=0)]
    device_seconds: Annotated[float, Field(ge=0)]
    engine: Literal["solo", "batched", "simulated"]
    resumed_from_step: Count


class TrainFailure(Contract):
    device_seconds: Annotated[float, Field(ge=0)]


class TrainHeartbeat(Contract):
    phase: Literal["waiting", "preparing", "training", "exporting"]
    step: Count
    total_steps: Count
    loss: FiniteOrNull
    checkpoint: Count


class DescribeModelRequest(Contract):
    model: Text


class DescribeModelResult(Contract):
    model: Text
    digest: Sha256
    parameters: PositiveInt
    dtype: Text
    device: Text
    chat: bool
    max_length: PositiveInt


class WeightedExample(Contract):
    weight: float = 1.0


class TextExample(WeightedExample):
    text: Text


class ExampleTeacher(Contract):
    prompt: Text
    label_share: Annotated[float, Field(ge=0, le=1)] = 0.0


class CompletionExample(WeightedExample):
    prompt: str
    completion: Text
    teacher: ExampleTeacher | None = None


class Message(Contract):
    role: Literal["system", "user", "assistant"]
    content: str


class MessagesExample(WeightedExample):
    messages: Annotated[list[Message], Field(min_length=2)]


Example = TextExample | CompletionExample | MessagesExample

#: every schema of `contract.json`, by its name there
SCHEMAS: Final[dict[str, TypeAdapter[Any]]] = {
    "artifactManifest": TypeAdapter(ArtifactManifest),
    "describeModelRequest": TypeAdapter(DescribeModelRequest),
    "describeModelResult": TypeAdapter(DescribeModelResult),
    "example": TypeAdapter(Example),
    "trainFailure": TypeAdapter(TrainFailure),
    "trainHeartbeat": TypeAdapter(TrainHeartbeat),
    "trainRequest": TypeAdapter(TrainRequest),
    "trainResult": TypeAdapter(TrainResult),
}

_C = TypeVar("_C", bound=Contract)


def parse(kind: type[_C], payload: object) -> _C:
    """A received payload as `kind`; raises `ValidationError` (keys must be the wire's, not Python's)."""
    return kind.model_validate(payload, by_alias=True, by_name=False)


def problems(error: ValidationError) -> str:
    """Every problem of a refused payload on one line: `recipe.rank: Input should be …; seed: …`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'payload'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    )
