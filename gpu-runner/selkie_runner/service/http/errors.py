"""Errors as vLLM and OpenAI give them: a status, and an object with a message that a person can act on."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from ...errors import Diverged, EngineError, OutOfMemory, StoreUnavailable
from ...ports import TemplateRefused
from ..admission import Busy, TooManyRows
from ..inference.served_adapters import AdapterExists, AdapterNotFound, AdapterOutside
from ..stopping import DeviceStopped

Json = dict[str, Any]

#: problems of one request that its error lists
_LISTED_PROBLEMS: Final = 10


class BadRequest(ValueError):
    """The request parses, but this model cannot answer it."""


#: status and `type` of an error; the first class that fits counts
_ANSWERS: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (Busy, 429, HTTPStatus.TOO_MANY_REQUESTS.phrase),
    (BadRequest, 400, "BadRequestError"),
    (TemplateRefused, 400, "BadRequestError"),
    (TooManyRows, 400, "BadRequestError"),
    (AdapterExists, 400, "InvalidUserInput"),
    (AdapterOutside, 400, "InvalidUserInput"),
    (AdapterNotFound, 404, "NotFoundError"),
    (OutOfMemory, 503, "ServiceUnavailableError"),
    (StoreUnavailable, 503, "ServiceUnavailableError"),
    (DeviceStopped, 503, "ServiceUnavailableError"),
    # the request is right, and the weights that it names are not
    (Diverged, 500, "InternalServerError"),
    (EngineError, 400, "BadRequestError"),
)
_DEFECT: Final = (500, "InternalServerError")


def error_object(error: Exception) -> Json:
    """An error as the API's object."""
    status, kind = next(((status, kind) for known, status, kind in _ANSWERS if isinstance(error, known)), _DEFECT)
    return _object(status, kind, str(error) or type(error).__name__)


def answer_errors(app: FastAPI) -> None:
    """Answer every error with the object; what no handler knows is a 500."""

    async def known(_: Request, error: Exception) -> Response:
        headers = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, Busy) else None
        return _response(error_object(error), headers)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        problems = error.errors()
        listed = "; ".join(_problem(problem) for problem in problems[:_LISTED_PROBLEMS])
        return _response(_object(400, HTTPStatus.BAD_REQUEST.phrase, listed, _place(problems[0]["loc"])))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND:
            message = f"This server has no {request.url.path}. It serves {', '.join(_served(app))}."
        phrase = HTTPStatus(error.status_code).phrase
        return _response(_object(error.status_code, phrase, message), error.headers)

    for kind in (*(kind for kind, _, _ in _ANSWERS), Exception):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _object(status: int, kind: str, message: str, param: str | None = None) -> Json:
    # a request's own words may be in it, and a lone surrogate has no UTF-8
    message = message.encode(errors="backslashreplace").decode()
    return {"error": {"message": message, "type": kind, "param": param, "code": status}}


def _response(content: Json, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(content, content["error"]["code"], headers)


def _problem(problem: Any) -> str:
    place, message = _place(problem["loc"]), problem["msg"].removeprefix("Value error, ")
    # a check of the whole request names what it refuses
    return message if place is None else f"{place}: {message}"


def _place(location: tuple[int | str, ...]) -> str | None:
    place = ".".join(str(part) for part in location if part != "body")
    return place.encode(errors="backslashreplace").decode() or None


def _served(app: FastAPI) -> list[str]:
    return [route.path for route in app.routes if isinstance(route, APIRoute)]
