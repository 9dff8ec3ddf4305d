"""The Python side of the contract: same names, same bounds, same golden payloads as the TypeScript side."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from selkie_runner import wire as contract
from selkie_runner.errors import DeviceBudgetExceeded, EngineError

CONTRACT = Path(__file__).parent.parent / "contract"
WRITTEN: dict[str, Any] = json.loads((CONTRACT / "contract.json").read_text())
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "minItems", "maxItems", "enum")


def golden() -> list[Any]:
    files = [json.loads(path.read_text()) for path in sorted((CONTRACT / "golden").glob("*.json"))]
    return [
        pytest.param(file["schema"], case["payload"], case["valid"], id=f"{file['schema']}: {case['what']}")
        for file in files
        for case in file["cases"]
    ]


def validate(kind: TypeAdapter[Any], payload: object) -> Any:
    return kind.validate_python(payload, by_alias=True, by_name=False)


def normal(schema: Any, definitions: dict[str, Any]) -> Any:
    """A JSON schema reduced to what both generators must agree on: properties, required, types, bounds."""
    if "$ref" in schema:
        return normal(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    options = schema.get("anyOf")
    if options and all(set(option) == {"type"} for option in options):
        return {"type": sorted(option["type"] for option in options)}
    if options:
        return {"anyOf": [normal(option, definitions) for option in options]}
    kind = schema.get("type")
    plain: dict[str, Any] = {"type": sorted(kind) if isinstance(kind, list) else kind}
    plain |= {bound: schema[bound] for bound in BOUNDS if bound in schema}
    if "pattern" in schema:
        plain["pattern"] = schema["pattern"].replace("\\/", "/")
    if kind == "array":
        plain["items"] = normal(schema["items"], definitions)
    if kind == "object":
        plain["closed"] = schema["additionalProperties"] is False
        plain["required"] = sorted(schema["required"])
        plain["properties"] = {key: normal(value, definitions) for key, value in schema["properties"].items()}
    return plain


def test_every_schema_of_the_contract_has_its_model():
    assert set(contract.SCHEMAS) == set(WRITTEN["schemas"])


@pytest.mark.parametrize("name", sorted(WRITTEN["schemas"]))
def test_a_model_says_what_the_contract_says(name: str):
    ours = contract.SCHEMAS[name].json_schema(by_alias=True)
    assert normal(ours, ours.get("$defs", {})) == normal(WRITTEN["schemas"][name], {})


@pytest.mark.parametrize(("schema", "payload", "valid"), golden())
def test_golden_payloads(schema: str, payload: object, valid: bool):
    if valid:
        assert (
            contract.SCHEMAS[schema].dump_python(
                validate(contract.SCHEMAS[schema], payload), mode="json", by_alias=True, exclude_unset=True
            )
            == payload
        )
    else:
        with pytest.raises(ValidationError):
            validate(contract.SCHEMAS[schema], payload)


def test_error_types_are_the_closed_list():
    assert list(contract.ERROR_TYPES) == list(WRITTEN["errorTypes"])
    retryable = {name for name, flags in WRITTEN["errorTypes"].items() if flags["retryable"]}
    assert retryable == contract.RETRYABLE


def test_the_engines_errors_are_of_that_list():
    raised = {error.error_type for error in EngineError.__subclasses__()}
    assert DeviceBudgetExceeded.error_type in raised
    assert raised <= set(contract.ERROR_TYPES)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_travels_as_null(loss: float):
    beat = contract.TrainHeartbeat(phase="training", step=3, total_steps=20, loss=loss, checkpoint=0)
    assert beat.payload() == {"phase": "training", "step": 3, "totalSteps": 20, "loss": None, "checkpoint": 0}


def test_python_names_are_not_the_wires():
    with pytest.raises(ValidationError):
        contract.parse(
            contract.TrainHeartbeat, {"phase": "training", "step": 1, "total_steps": 2, "loss": None, "checkpoint": 0}
        )


def test_problems_name_every_field():
    with pytest.raises(ValidationError) as refused:
        contract.parse(contract.DescribeModelRequest, {"modell": "x"})
    assert contract.problems(refused.value) == "model: Field required; modell: Extra inputs are not permitted"
