"""The OpenAI-compatible server, with vLLM's adapter endpoints, status codes and error objects."""

import asyncio
import time
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from ...errors import EngineError, OutOfMemory
from ...ports import ServedAdapter
from ..admission import Busy
from ..inference.served_adapters import AdapterExists, AdapterNotFound, AdapterOutside
from ..runner import Runner
from ..stopping import DeviceStopped
from .completions import BadRequest, Json, chat, chat_tokens, complete, text_tokens
from .openai import (
    ChatRequest,
    CompletionRequest,
    LoadAdapterRequest,
    TokenizeChatRequest,
    TokenizeTextRequest,
    UnloadAdapterRequest,
)

_CLIENT_CLOSED_REQUEST = 499


def create_app(runner: Runner) -> FastAPI:
    """The server's routes over one runner."""
    app = FastAPI(title="selkie gpu-runner", docs_url=None, redoc_url=None)
    _answer_errors(app)
    started = int(time.time())

    @app.get("/health")
    async def health() -> Response:
        alive, waiting, cpu = runner.device.alive, runner.admission.waiting(), runner.device.cpu
        said: Json = {
            "status": "ok" if alive else "stopped",
            "waiting": {"rows": waiting.rows, "oldestSeconds": round(waiting.oldest_seconds, 1)},
        }
        if cpu is not None:
            busy = cpu.free() < cpu.threads
            said["cores"] = {
                "status": "busy" if busy else "free",
                "takenByOthers": round(cpu.taken(), 1),
                "threads": cpu.threads,
            }
        return JSONResponse(said, 200 if alive else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(runner.metrics.text(), media_type=runner.metrics.content_type)

    @app.get("/v1/models")
    async def models() -> Json:
        base = _card(runner, runner.model.name, started, str(runner.model.path), None)
        adapters = [
            _card(runner, adapter.name, adapter.created, str(adapter.path), runner.model.name)
            for adapter in runner.adapters.all()
        ]
        return {"object": "list", "data": [base, *adapters]}

    @app.post("/v1/completions")
    async def completions(body: CompletionRequest, request: Request) -> Response:
        with runner.admission.admit(body.rows()):
            return await _while_connected(request, complete(runner, _adapter(runner, body.model), body))

    @app.post("/v1/chat/completions")
    async def chat_completions(body: ChatRequest, request: Request) -> Response:
        with runner.admission.admit(body.rows()):
            return await _while_connected(request, chat(runner, _adapter(runner, body.model), body))

    @app.post("/tokenize")
    async def tokenize(body: TokenizeTextRequest | TokenizeChatRequest) -> Json:
        _adapter(runner, body.model)
        if isinstance(body, TokenizeTextRequest):
            tokens = await asyncio.to_thread(text_tokens, runner, body.prompt, body.add_special_tokens)
        else:
            tokens = await asyncio.to_thread(
                chat_tokens, runner, body.messages, body.add_generation_prompt, body.add_special_tokens
            )
        return {"count": len(tokens), "max_model_len": runner.model.max_length, "tokens": tokens}

    @app.post("/v1/load_lora_adapter")
    async def load_lora_adapter(body: LoadAdapterRequest) -> PlainTextResponse:
        if body.lora_name == runner.model.name:
            raise AdapterExists(f"'{body.lora_name}' is the name of the base model.")
        await runner.adapters.load(body.lora_name, body.lora_path, in_place=body.load_inplace)
        return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' added successfully.")

    @app.post("/v1/unload_lora_adapter")
    async def unload_lora_adapter(body: UnloadAdapterRequest) -> PlainTextResponse:
        await runner.adapters.unload(body.lora_name)
        return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")

    return app


def _adapter(runner: Runner, model: str | None) -> ServedAdapter | None:
    """What a request's `model` names: None for the base."""
    if model is None or model == runner.model.name:
        return None
    try:
        return runner.adapters.find(model)
    except AdapterNotFound as error:
        raise AdapterNotFound(f"The model `{model}` does not exist.") from error


def _card(runner: Runner, name: str, created: int, root: str, parent: str | None) -> Json:
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "selkie",
        "root": root,
        "parent": parent,
        "max_model_len": runner.model.max_length,
    }


async def _while_connected(request: Request, work: Coroutine[Any, Any, Json]) -> Response:
    """Answer with the work's result; give the work up when the client has gone, so that the device is free."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return JSONResponse(task.result()) if task.done() else Response(status_code=_CLIENT_CLOSED_REQUEST)
    finally:
        task.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    """Return when the client has gone; to be asked after the body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _error(
    status: int, kind: str, message: str, param: str | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": status}}, status, headers)


def _answer_errors(app: FastAPI) -> None:
    """Every error as vLLM's error object; what no handler knows is a 500 of the same shape."""

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        listed = "; ".join(
            # pydantic's own word before ours
            f"{_where(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()[:10]
        )
        return _error(400, HTTPStatus.BAD_REQUEST.phrase, listed, _where(error.errors()[0]["loc"]))

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _error(error.status_code, HTTPStatus(error.status_code).phrase, str(error.detail))

    async def busy(_: Request, error: Exception) -> Response:
        assert isinstance(error, Busy)
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return _error(429, HTTPStatus(429).phrase, str(error), headers=headers)

    def answering(status: int, kind: str) -> Any:
        async def answer(_: Request, error: Exception) -> Response:
            return _error(status, kind, str(error) or type(error).__name__)

        return answer

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Busy, busy)
    app.add_exception_handler(BadRequest, answering(400, "BadRequestError"))
    app.add_exception_handler(AdapterExists, answering(400, "InvalidUserInput"))
    app.add_exception_handler(AdapterOutside, answering(400, "InvalidUserInput"))
    app.add_exception_handler(AdapterNotFound, answering(404, "NotFoundError"))
    app.add_exception_handler(EngineError, answering(400, "BadRequestError"))
    app.add_exception_handler(OutOfMemory, answering(503, "ServiceUnavailableError"))
    app.add_exception_handler(DeviceStopped, answering(503, "ServiceUnavailableError"))
    app.add_exception_handler(Exception, answering(500, "InternalServerError"))


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part != "body") or "body"
