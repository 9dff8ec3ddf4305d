"""The OpenAI-compatible server, with vLLM's adapter endpoints, status codes and error objects."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from ...ports import ServedAdapter
from ..inference.served_adapters import AdapterExists, AdapterNotFound
from ..options import ServingOptions
from ..runner import Runner
from .body_limit import BodyLimit
from .completions import chat, complete
from .errors import answer_errors
from .openai import (
    ChatRequest,
    CompletionRequest,
    LoadAdapterRequest,
    TokenizeRequest,
    TokenizeTextRequest,
    UnloadAdapterRequest,
)
from .prompts import conversation_tokens, text_tokens
from .streaming import begin, stream_chat, stream_completion

Json = dict[str, Any]

#: nginx's code; the client has gone and reads no answer
_CLIENT_CLOSED_REQUEST: Final = 499


def create_app(runner: Runner, options: ServingOptions | None = None) -> FastAPI:
    """The server's routes over one runner."""
    app = FastAPI(title="selkie gpu-runner", docs_url=None, redoc_url=None)
    app.add_middleware(BodyLimit, max_bytes=(options or ServingOptions()).max_body_mib * 2**20)
    answer_errors(app)
    started = int(time.time())

    @app.get("/health")
    async def health() -> Response:
        alive, waiting, cpu = runner.device.alive, runner.admission.waiting(), runner.device.cpu
        said: Json = {
            "status": "ok" if alive else "stopped",
            "waiting": {"rows": waiting.rows, "oldestSeconds": round(waiting.oldest_seconds, 1)},
        }
        if runner.model.limits:
            said["limits"] = list(runner.model.limits)
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
        cards = [_card(runner, adapter, started) for adapter in (None, *runner.adapters.all())]
        return {"object": "list", "data": cards}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> Json:
        return _card(runner, _adapter(runner, name), started)

    @app.post("/v1/completions")
    async def completions(body: CompletionRequest, request: Request) -> Response:
        adapter = _adapter(runner, body.model)
        work = begin(stream_completion(runner, adapter, body)) if body.stream else complete(runner, adapter, body)
        return await _while_connected(request, work)

    @app.post("/v1/chat/completions")
    async def chat_completions(body: ChatRequest, request: Request) -> Response:
        adapter = _adapter(runner, body.model)
        work = begin(stream_chat(runner, adapter, body)) if body.stream else chat(runner, adapter, body)
        return await _while_connected(request, work)

    @app.post("/tokenize")
    async def tokenize(body: TokenizeRequest) -> Json:
        _adapter(runner, body.model)
        if isinstance(body, TokenizeTextRequest):
            tokens = await asyncio.to_thread(text_tokens, runner.model, body.prompt, body.add_special_tokens)
        else:
            tokens = await asyncio.to_thread(conversation_tokens, runner.model, body, body.add_special_tokens)
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


def _card(runner: Runner, adapter: ServedAdapter | None, started: int) -> Json:
    base = runner.model
    return {
        "id": base.name if adapter is None else adapter.name,
        "object": "model",
        "created": started if adapter is None else adapter.created,
        "owned_by": "selkie",
        "root": str(base.path if adapter is None else adapter.path),
        "parent": None if adapter is None else base.name,
        "max_model_len": base.max_length,
    }


async def _while_connected(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """Answer with what the work gives; give the work up when the client has gone, so that the device is free."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else Response(status_code=_CLIENT_CLOSED_REQUEST)
    finally:
        task.cancel()
        gone.cancel()
        # its place is free when this returns
        await asyncio.wait({task, gone})


async def _disconnected(request: Request) -> None:
    """Return when the client has gone; to be asked after the body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
