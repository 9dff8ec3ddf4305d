"""The HTTP server on the tiny model: shapes as vLLM gives them, adapters, errors."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from pydantic import BaseModel, ValidationError

from selkie_runner.batched import InferenceEngine
from selkie_runner.ports import ServedAdapter
from selkie_runner.rows import DecodedRow, DecodeRow
from selkie_runner.service.http.app import create_app
from selkie_runner.service.http.openai import ChatRequest, CompletionRequest, TokenizeChatRequest
from selkie_runner.service.options import ServingOptions
from selkie_runner.service.runner import Runner
from selkie_runner.service.torch_runner import TorchRunner
from support.service import running, write_random_adapter

Ask = Callable[[httpx.AsyncClient], Awaitable[Any]]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Generator[TorchRunner]:
    with running(tmp_path_factory.mktemp("runner")) as parts:
        yield parts


def ask(runner: Runner, scenario: Ask) -> Any:
    async def run() -> Any:
        transport = httpx.ASGITransport(create_app(runner), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://runner", timeout=60) as client:
            return await scenario(client)

    return asyncio.run(run())


def post(runner: Runner, path: str, **body: Any) -> httpx.Response:
    return ask(runner, lambda client: client.post(path, json=body))


def completion(runner: TorchRunner, **body: Any) -> Any:
    answer = post(runner, "/v1/completions", **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def adapter_folder(runner: TorchRunner, name: str, seed: int) -> Path:
    return write_random_adapter(runner.store.root / "made" / name, runner.loaded, seed)


def test_completion_has_vllms_shape(runner: TorchRunner):
    answer = completion(
        runner, model="tiny", prompt="seal", max_tokens=3, temperature=0, logprobs=2, user="someone", presence_penalty=0
    )
    assert set(answer) == {"id", "object", "created", "model", "choices", "usage"}
    assert (answer["object"], answer["model"]) == ("text_completion", "tiny")
    assert answer["usage"] == {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
    [choice] = answer["choices"]
    assert set(choice) == {"index", "text", "logprobs", "finish_reason", "stop_reason"}
    assert choice["finish_reason"] == "length"
    logprobs = choice["logprobs"]
    assert set(logprobs) == {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
    assert all(len(values) == 3 for values in logprobs.values())
    for token, logprob, top in zip(
        logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True
    ):
        assert top[token] == logprob == max(top.values())


def test_prompt_may_be_text_or_ids_one_or_several(runner: TorchRunner):
    ids = runner.loaded.tokenizer.encode("seal")
    other = runner.loaded.tokenizer.encode("The sea")
    by_text = completion(runner, prompt=["seal", "The sea"], max_tokens=6, temperature=0)["choices"]
    by_ids = completion(runner, prompt=[ids, other], max_tokens=6, temperature=0)["choices"]
    alone = [
        completion(runner, prompt=prompt, max_tokens=6, temperature=0)["choices"][0]["text"]
        for prompt in (ids, "The sea")
    ]
    assert [choice["text"] for choice in by_text] == [choice["text"] for choice in by_ids] == alone
    assert [choice["index"] for choice in by_text] == [0, 1]


def test_echo_scores_the_prompt_as_the_forward_pass_does(runner: TorchRunner):
    text = "The selkie swam north."
    [choice] = completion(runner, prompt=text, max_tokens=0, echo=True, logprobs=1)["choices"]
    assert choice["text"] == text
    assert choice["logprobs"]["tokens"] == list(text)
    assert choice["logprobs"]["text_offset"] == list(range(len(text)))
    ids = torch.tensor([runner.loaded.tokenizer.encode(text)])
    with torch.no_grad():
        expected = runner.loaded.model(ids).logits[0].log_softmax(-1)
    given = [expected[place, token].item() for place, token in enumerate(ids[0, 1:])]
    assert choice["logprobs"]["token_logprobs"][0] is None
    assert choice["logprobs"]["top_logprobs"][0] is None
    assert choice["logprobs"]["token_logprobs"][1:] == pytest.approx(given, abs=1e-4)


def test_echo_scores_from_a_token_on(runner: TorchRunner):
    asked = {"prompt": "The selkie swam north.", "max_tokens": 0, "echo": True, "logprobs": 1}
    whole, part = (
        completion(runner, **asked, **more)["choices"][0]["logprobs"] for more in ({}, {"logprob_start_len": 5})
    )
    assert part["tokens"] == whole["tokens"]
    assert part["token_logprobs"][:5] == part["top_logprobs"][:5] == [None] * 5
    assert part["token_logprobs"][5:] == pytest.approx(whole["token_logprobs"][5:], abs=1e-4)


def test_echo_with_an_answer_puts_the_prompt_first(runner: TorchRunner):
    answer = completion(runner, prompt="seal", max_tokens=4, temperature=0, echo=True, logprobs=0)
    [choice] = answer["choices"]
    plain = completion(runner, prompt="seal", max_tokens=4, temperature=0)["choices"][0]["text"]
    assert choice["text"] == "seal" + plain
    assert len(choice["logprobs"]["tokens"]) == 8
    assert answer["usage"]["completion_tokens"] == 4


def test_seed_repeats_and_n_differs(runner: TorchRunner):
    body = {"prompt": "seal", "max_tokens": 12, "temperature": 1.0, "seed": 7, "n": 3}
    first, again = completion(runner, **body)["choices"], completion(runner, **body)["choices"]
    assert [choice["text"] for choice in first] == [choice["text"] for choice in again]
    assert len({choice["text"] for choice in first}) == 3
    unseeded = {completion(runner, **{**body, "seed": None, "n": 1})["choices"][0]["text"] for _ in range(4)}
    assert len(unseeded) > 1


def test_concurrent_requests_answer_as_alone(runner: TorchRunner):
    prompts = [f"seal {number}" for number in range(12)]

    async def together(client: httpx.AsyncClient) -> list[str]:
        answers = await asyncio.gather(
            *(client.post("/v1/completions", json={"prompt": p, "max_tokens": 8, "temperature": 0}) for p in prompts)
        )
        return [answer.json()["choices"][0]["text"] for answer in answers]

    alone = [completion(runner, prompt=p, max_tokens=8, temperature=0)["choices"][0]["text"] for p in prompts]
    assert ask(runner, together) == alone


def test_chat_uses_the_template(runner: TorchRunner):
    messages = [{"role": "user", "content": "Where?"}]
    response = post(
        runner,
        "/v1/chat/completions",
        model="tiny",
        messages=messages,
        max_tokens=5,
        temperature=0,
        logprobs=True,
        top_logprobs=2,
    )
    assert response.status_code == 200, response.text
    answer = response.json()
    tokens = post(runner, "/tokenize", messages=messages).json()
    plain = completion(runner, prompt=tokens["tokens"], max_tokens=5, temperature=0, logprobs=2)["choices"][0]
    [choice] = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": plain["text"]}
    assert answer["object"] == "chat.completion"
    assert answer["usage"]["prompt_tokens"] == tokens["count"]
    content = choice["logprobs"]["content"]
    # OpenAI's two words for a part of a character
    assert [entry["token"] for entry in content] == [
        name.removeprefix("bytes:") for name in plain["logprobs"]["tokens"]
    ]
    assert [entry["logprob"] for entry in content[0]["top_logprobs"]] == pytest.approx(
        sorted(plain["logprobs"]["top_logprobs"][0].values(), reverse=True)
    )


def test_chat_content_may_come_in_parts(runner: TorchRunner):
    whole = [{"role": "user", "content": "Where?"}]
    parts = [{"role": "user", "content": [{"type": "text", "text": "Whe"}, {"type": "text", "text": "re?"}]}]
    assert post(runner, "/tokenize", messages=whole).json() == post(runner, "/tokenize", messages=parts).json()


def test_tokenize(runner: TorchRunner):
    answer = post(runner, "/tokenize", model="tiny", prompt="seal").json()
    assert answer == {"count": 4, "max_model_len": 256, "tokens": runner.loaded.tokenizer.encode("seal")}


def assert_alike(choice: Any, other: Any) -> None:
    """Equal but for rounding: what was read of a prompt before is not read again."""
    assert choice["text"] == other["text"]
    found, wanted = (one["logprobs"]["token_logprobs"] for one in (choice, other))
    assert found == pytest.approx(wanted, abs=1e-4)


def test_an_adapter_changes_answers_and_unloading_it_restores_them(runner: TorchRunner):
    folder = adapter_folder(runner, "one", 1)
    question = {"prompt": "The selkie", "max_tokens": 12, "temperature": 0, "logprobs": 0}
    base = completion(runner, **question)["choices"][0]

    loaded = post(runner, "/v1/load_lora_adapter", lora_name="one", lora_path=str(folder))
    assert (loaded.status_code, loaded.text) == (200, "Success: LoRA adapter 'one' added successfully.")
    models = ask(runner, lambda client: client.get("/v1/models")).json()["data"]
    assert [model["id"] for model in models] == ["tiny", "one"]
    assert (models[1]["parent"], models[1]["root"]) == ("tiny", str(folder))

    assert completion(runner, model="one", **question)["choices"][0]["text"] != base["text"]
    assert_alike(completion(runner, **question)["choices"][0], base)

    removed = post(runner, "/v1/unload_lora_adapter", lora_name="one")
    assert (removed.status_code, removed.text) == (200, "Success: LoRA adapter 'one' removed successfully.")
    assert post(runner, "/v1/completions", model="one", **question).status_code == 404
    assert_alike(completion(runner, **question)["choices"][0], base)
    assert runner.adapters.resident == 0


def test_loading_in_place_replaces_the_weights(runner: TorchRunner):
    question = {"model": "two", "prompt": "The selkie", "max_tokens": 12, "temperature": 0}
    post(runner, "/v1/load_lora_adapter", lora_name="two", lora_path=str(adapter_folder(runner, "two", 2)))
    before = completion(runner, **question)["choices"]
    body = {"lora_name": "two", "lora_path": str(adapter_folder(runner, "three", 3)), "load_inplace": True}
    assert post(runner, "/v1/load_lora_adapter", **body).status_code == 200
    assert completion(runner, **question)["choices"] != before
    assert runner.adapters.resident == 1
    post(runner, "/v1/unload_lora_adapter", lora_name="two")


def test_loading_in_place_reads_the_files_of_the_same_folder_again(runner: TorchRunner):
    question = {"model": "same", "prompt": "The selkie", "max_tokens": 12, "temperature": 0}
    folder = adapter_folder(runner, "same", 4)
    for name in ("same", "other"):
        post(runner, "/v1/load_lora_adapter", lora_name=name, lora_path=str(folder))
    before = completion(runner, **question)["choices"]
    assert adapter_folder(runner, "same", 5) == folder
    body = {"lora_name": "same", "lora_path": str(folder), "load_inplace": True}
    assert post(runner, "/v1/load_lora_adapter", **body).status_code == 200
    assert completion(runner, **question)["choices"] != before
    for name in ("same", "other"):
        post(runner, "/v1/unload_lora_adapter", lora_name=name)


def test_requests_of_several_adapters_at_once_keep_apart(runner: TorchRunner):
    names = ["a1", "a2", "a3"]
    for seed, name in enumerate(names):
        folder = adapter_folder(runner, name, 10 + seed)
        assert post(runner, "/v1/load_lora_adapter", lora_name=name, lora_path=str(folder)).status_code == 200
    bodies = [{"model": name, "prompt": "The selkie", "max_tokens": 16, "temperature": 0} for name in [*names, "tiny"]]
    alone = [completion(runner, **body)["choices"][0]["text"] for body in bodies]

    async def together(client: httpx.AsyncClient) -> list[str]:
        answers = await asyncio.gather(*(client.post("/v1/completions", json=body) for body in bodies * 3))
        return [answer.json()["choices"][0]["text"] for answer in answers]

    assert ask(runner, together) == alone * 3
    assert len(set(alone)) == 4
    for name in names:
        post(runner, "/v1/unload_lora_adapter", lora_name=name)


def test_adapters_above_the_limit_leave_the_device_and_come_back(tmp_path: Path):
    with running(tmp_path, max_adapters=1) as small:
        texts: list[str] = []
        for seed, name in enumerate(("x", "y")):
            folder = adapter_folder(small, name, 20 + seed)
            post(small, "/v1/load_lora_adapter", lora_name=name, lora_path=str(folder))
            texts.append(completion(small, model=name, prompt="sea", max_tokens=8, temperature=0)["choices"][0]["text"])
        assert small.adapters.resident == 1
        again = completion(small, model="x", prompt="sea", max_tokens=8, temperature=0)["choices"][0]["text"]
        assert [again, texts[1]] == texts
        assert small.adapters.resident == 1


REFUSALS: list[tuple[str, Any, int, str, str]] = [
    ("/v1/completions", {"model": "who", "prompt": "x"}, 404, "NotFoundError", "The model `who` does not exist."),
    (
        "/v1/chat/completions",
        {"model": "who", "messages": [{"role": "user", "content": "x"}]},
        404,
        "NotFoundError",
        "who",
    ),
    ("/v1/completions", {"prompt": "x", "tools": [{}]}, 400, "Bad Request", "tools: this server calls no tools"),
    ("/v1/completions", {"prompt": "x", "typo": 5}, 400, "Bad Request", "typo: no parameter of this server"),
    ("/v1/completions", {"prompt": "x", "logit_bias": {"99999": 1}}, 400, "BadRequestError", "token id 99999"),
    ("/v1/completions", {"prompt": "x", "max_tokens": 0}, 400, "Bad Request", "at least 1"),
    ("/v1/completions", {"prompt": "x", "max_tokens": 256}, 400, "BadRequestError", "context length is 256"),
    ("/v1/completions", {"prompt": ""}, 400, "BadRequestError", "empty"),
    ("/v1/completions", {"prompt": 7}, 400, "Bad Request", "must be a text, a list of texts"),
    ("/v1/completions", {"prompt": []}, 400, "BadRequestError", "empty"),
    ("/v1/completions", {"prompt": [99999]}, 400, "BadRequestError", "vocabulary"),
    ("/v1/completions", {"prompt": "x", "top_p": 0}, 400, "Bad Request", "top_p"),
    ("/v1/completions", {"prompt": "x", "logprobs": 21}, 400, "Bad Request", "logprobs"),
    ("/v1/completions", {}, 400, "Bad Request", "prompt"),
    (
        "/v1/completions",
        {"prompt": "x", "echo": True, "logprobs": 1, "logprob_start_len": 9},
        400,
        "BadRequestError",
        "logprob_start_len is 9, and a prompt has 1 tokens",
    ),
    ("/v1/load_lora_adapter", {"lora_name": "n"}, 400, "Bad Request", "lora_path"),
    ("/v1/load_lora_adapter", {"lora_name": "n", "lora_path": "/etc"}, 400, "InvalidUserInput", "outside"),
    ("/v1/load_lora_adapter", {"lora_name": "tiny", "lora_path": "/etc"}, 400, "InvalidUserInput", "base model"),
    ("/v1/unload_lora_adapter", {"lora_name": "n"}, 404, "NotFoundError", "cannot be found"),
    ("/v1/nothing", {}, 404, "Not Found", "This server has no /v1/nothing. It serves /"),
    ("/v1/embeddings", {"input": "x"}, 404, "Not Found", "This server has no /v1/embeddings"),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: f"{case[2]} {case[0]} {case[4]}")
def test_errors_are_vllms(runner: TorchRunner, case: tuple[str, Any, int, str, str]):
    path, body, status, kind, says = case
    answer = post(runner, path, **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (status, status, kind)
    assert says in error["message"]
    assert "Value error" not in error["message"]


BAD_TEXTS: list[tuple[str, Any, str]] = [
    ("/v1/completions", {"prompt": "seal\ud800"}, "prompt: is not Unicode text: a lone surrogate at character 4"),
    ("/v1/completions", {"prompt": ["seal", "\udfff"]}, "prompt: is not Unicode"),
    ("/v1/completions", {"prompt": "seal", "stop": ["\ud800"]}, "stop: is not Unicode"),
    ("/v1/completions", {"prompt": "seal", "model": "\ud800"}, "model: is not Unicode"),
    ("/v1/completions", {"prompt": "seal", "\ud800": 1}, "Input should be a valid string"),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "\ud800"}]}, "messages: is not Unicode"),
    (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "\ud800"}]}]},
        "messages: is not Unicode",
    ),
    ("/tokenize", {"prompt": "\ud800"}, "prompt: is not Unicode"),
    ("/v1/load_lora_adapter", {"lora_name": "\ud800", "lora_path": "/x"}, "lora_name: is not Unicode"),
    ("/v1/load_lora_adapter", {"lora_name": "n", "lora_path": "/x\0"}, "lora_path: must not have a NUL"),
    ("/v1/load_lora_adapter", {"lora_name": "n\0", "lora_path": "/x"}, "lora_name: must not have a NUL"),
    ("/v1/load_lora_adapter", {"lora_name": "n", "lora_path": "x" * 5000}, "lora_path: String should have at most"),
    ("/v1/unload_lora_adapter", {"lora_name": "n\0"}, "lora_name: must not have a NUL"),
]


@pytest.mark.parametrize("case", BAD_TEXTS, ids=lambda case: f"{case[0]} {case[2]}")
def test_text_that_is_none_is_refused(runner: TorchRunner, case: tuple[str, Any, str]):
    path, body, says = case
    answer = ask(
        runner,
        lambda client: client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"}),
    )
    assert answer.status_code == 400, answer.text
    assert says in answer.json()["error"]["message"]


def test_a_path_that_no_file_system_takes_is_not_found(runner: TorchRunner):
    path = str(runner.store.root / ("x" * 300))
    answer = post(runner, "/v1/load_lora_adapter", lora_name="n", lora_path=path)
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "NotFoundError")


def test_what_the_chat_template_refuses_is_the_clients_error(runner: TorchRunner, monkeypatch: pytest.MonkeyPatch):
    template = (
        "{% for message in messages %}{% if message.role == 'system' %}"
        "{{ raise_exception('no system role') }}{% endif %}{{ message.content }}{% endfor %}"
        "{% if count is defined %}{{ count + 1 }}{% endif %}"
    )
    monkeypatch.setattr(runner.loaded.tokenizer, "chat_template", template)
    for body, says in (
        ({"messages": [{"role": "system", "content": "x"}]}, "no system role"),
        ({"messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": {"count": "x"}}, "str"),
        ({"messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": {"tokenize": True}}, "tokenize"),
    ):
        for path in ("/v1/chat/completions", "/tokenize"):
            answer = post(runner, path, **body)
            assert (answer.status_code, answer.json()["error"]["type"]) == (400, "BadRequestError")
            assert says in answer.json()["error"]["message"]


def test_template_variables_reach_the_template(runner: TorchRunner, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runner.loaded.tokenizer, "chat_template", "{{ word }}{{ reasoning_effort }}")
    body = {"chat_template_kwargs": {"word": "seal"}, "reasoning_effort": "low", "max_tokens": 1}
    answer = post(runner, "/v1/chat/completions", messages=[{"role": "user", "content": "x"}], **body)
    assert answer.json()["usage"]["prompt_tokens"] == len("seallow")


def test_weights_that_are_no_numbers_are_the_servers_error(runner: TorchRunner):
    folder = write_random_adapter(runner.store.root / "made" / "nan", runner.loaded, 6, size=float("nan"))
    assert post(runner, "/v1/load_lora_adapter", lora_name="nan", lora_path=str(folder)).status_code == 200
    answer = post(runner, "/v1/completions", model="nan", prompt="seal")
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "InternalServerError")
    assert "no finite numbers with this adapter" in answer.json()["error"]["message"]
    post(runner, "/v1/unload_lora_adapter", lora_name="nan")


def test_prompts_without_a_seed_draw_apart_and_with_one_alike(runner: TorchRunner):
    body = {"prompt": ["seal"] * 4, "max_tokens": 12, "temperature": 1.0}
    texts = [choice["text"] for choice in completion(runner, **body)["choices"]]
    assert len(set(texts)) == 4
    seeded = [choice["text"] for choice in completion(runner, **body, seed=3)["choices"]]
    assert len(set(seeded)) == 1


def test_sampling_parameters_reach_the_rows(runner: TorchRunner):
    class Noting:
        rows: Sequence[DecodeRow] = ()

        async def answer(self, adapter: ServedAdapter | None, rows: Sequence[DecodeRow]) -> list[DecodedRow]:
            self.rows = rows
            return [DecodedRow([70], "C", "length", None, []) for _ in rows]

    noting = Noting()
    noted = replace(runner, generator=noting)
    sampling = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "min_p": 0.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "repetition_penalty": 1.1,
        "min_tokens": 2,
        "ignore_eos": True,
        "seed": 3,
    }
    body = {**sampling, "max_tokens": 4, "logit_bias": {"70": -1}, "stop": ["x"], "n": 2}
    for path, prompt in (
        ("/v1/completions", {"prompt": "seal"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
    ):
        assert post(noted, path, **prompt, **body).status_code == 200
        assert [row.index for row in noting.rows] == [0, 1]
        for row in noting.rows:
            assert {name: getattr(row, name) for name in sampling} == sampling
            assert (row.max_tokens, row.logit_bias, row.stop) == (4, ((70, -1.0),), ("x",))
        # what is left out is off, whatever the model's generation_config.json has
        assert post(noted, path, **prompt, top_k=-1, max_tokens=4).status_code == 200
        [row] = noting.rows
        assert replace(row, prompt=(), seed=0) == DecodeRow((), 4, temperature=1.0)


def test_usage_counts_a_prompt_once_for_all_its_answers(runner: TorchRunner):
    usage = completion(runner, prompt=["seal", "sea"], max_tokens=2, n=3, ignore_eos=False)["usage"]
    assert usage["prompt_tokens"] == 7
    assert usage["total_tokens"] == 7 + usage["completion_tokens"]


def test_a_text_beyond_the_context_is_refused_before_it_is_tokenized(
    runner: TorchRunner, monkeypatch: pytest.MonkeyPatch
):
    def encode(*_: Any, **__: Any) -> list[int]:
        raise AssertionError

    longest = 256 * runner.model.tokenizer.longest_token
    monkeypatch.setattr(runner.model.tokenizer, "encode", encode)
    for path, body in (
        ("/v1/completions", {"prompt": "x" * (longest + 1)}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x" * (longest + 1)}]}),
        ("/tokenize", {"prompt": "x" * (longest + 1)}),
    ):
        answer = post(runner, path, **body)
        assert answer.status_code == 400
        assert "maximum context length is 256 tokens" in answer.json()["error"]["message"]


def test_bounds_of_a_request(tmp_path: Path):
    with running(tmp_path, max_body_mib=1, max_rows=8) as small:
        app = create_app(small, ServingOptions(max_body_mib=1))

        async def scenario(client: httpx.AsyncClient) -> None:
            async def chunks() -> AsyncGenerator[bytes]:
                for _ in range(3):
                    yield b" " * 2**19

            for content in (b" " * (2**20 + 1), chunks()):
                answer = await client.post(
                    "/v1/completions", content=content, headers={"Content-Type": "application/json"}
                )
                assert (answer.status_code, answer.json()["error"]["code"]) == (413, 413)
                assert "larger than 1048576 bytes" in answer.json()["error"]["message"]
            for body in ({"prompt": ["x"] * 9, "max_tokens": 1}, {"prompt": ["x"] * 9, "echo": True, "max_tokens": 0}):
                answer = await client.post("/v1/completions", json=body)
                assert answer.status_code == 400
                assert "asks for 9 answers, and at most 8" in answer.json()["error"]["message"]
            for stop in (["x"] * 33, "x" * 1025):
                answer = await client.post("/v1/completions", json={"prompt": "x", "stop": stop})
                assert answer.status_code == 400

        async def run() -> None:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://runner", timeout=60) as client:
                await scenario(client)

        asyncio.run(run())


def test_validation_looks_at_a_bounded_number_of_parts():
    """It holds the interpreter, so a body of many parts must not cost seconds and an error per part."""
    many = 200_000
    user = {"role": "user", "content": "x"}
    bodies: list[tuple[type[BaseModel], dict[str, Any]]] = [
        (CompletionRequest, {"prompt": ["x"] * many}),
        (CompletionRequest, {"prompt": [*([[1]] * 5000), "x"]}),
        (CompletionRequest, {"prompt": [[1] * many, [-1]]}),
        (CompletionRequest, {"prompt": "x", "logit_bias": {f"x{number}": "y" for number in range(many)}}),
        (CompletionRequest, {"prompt": "x", **{f"x{number}": 1 for number in range(many)}}),
        (CompletionRequest, {"prompt": "x", "stop": [1] * many}),
        (ChatRequest, {"messages": [1] * many}),
        (ChatRequest, {"messages": [{}] * 4096}),
        (ChatRequest, {"messages": [{**user, "content": [{}] * many}]}),
        (TokenizeChatRequest, {"messages": [user] * many}),
    ]
    for model, body in bodies:
        with pytest.raises(ValidationError) as refused:
            model.model_validate(body)
        assert refused.value.error_count() <= 3
        assert len(str(refused.value.errors(include_input=False))) < 2000


def test_one_model_by_its_name_which_may_have_slashes(runner: TorchRunner):
    folder = adapter_folder(runner, "slash", 7)
    post(runner, "/v1/load_lora_adapter", lora_name="demo/policy", lora_path=str(folder))
    listed = ask(runner, lambda client: client.get("/v1/models")).json()["data"]
    for card in listed:
        assert ask(runner, lambda client, name=card["id"]: client.get(f"/v1/models/{name}")).json() == card
    assert [card["id"] for card in listed] == ["tiny", "demo/policy"]
    assert ask(runner, lambda client: client.get("/v1/models/demo%2Fpolicy")).json()["id"] == "demo/policy"
    post(runner, "/v1/unload_lora_adapter", lora_name="demo/policy")
    missing = ask(runner, lambda client: client.get("/v1/models/demo/policy"))
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "NotFoundError")


def test_errors_of_adapter_folders(runner: TorchRunner):
    missing = runner.store.root / "made" / "missing"
    answer = post(runner, "/v1/load_lora_adapter", lora_name="n", lora_path=str(missing))
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "NotFoundError")

    folder = adapter_folder(runner, "dup", 4)
    assert post(runner, "/v1/load_lora_adapter", lora_name="dup", lora_path=str(folder)).status_code == 200
    answer = post(runner, "/v1/load_lora_adapter", lora_name="dup", lora_path=str(folder))
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "InvalidUserInput")
    post(runner, "/v1/unload_lora_adapter", lora_name="dup")

    (folder / "adapter_model.safetensors").write_bytes(b"not safetensors")
    answer = post(runner, "/v1/load_lora_adapter", lora_name="bad", lora_path=str(folder))
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "BadRequestError")


def test_an_artifact_whose_bytes_changed_is_refused(runner: TorchRunner):
    ref = runner.store.publish(adapter_folder(runner, "art", 5), "application/vnd.selkie.peft")
    folder = runner.store.open(ref.uri)
    assert post(runner, "/v1/load_lora_adapter", lora_name="art", lora_path=str(folder)).status_code == 200
    post(runner, "/v1/unload_lora_adapter", lora_name="art")
    (folder / "adapter_config.json").write_text("{}")
    answer = post(runner, "/v1/load_lora_adapter", lora_name="art", lora_path=str(folder))
    assert answer.status_code == 400
    assert "digest" in answer.json()["error"]["message"]


def test_health_and_metrics(runner: TorchRunner):
    assert ask(runner, lambda client: client.get("/health")).status_code == 200
    completion(runner, prompt="seal", max_tokens=2)
    text = ask(runner, lambda client: client.get("/metrics")).text
    for name in (
        'selkie_device_busy_seconds_total{lane="decode"}',
        'selkie_device_queue{lane="train"}',
        "selkie_generated_tokens_total",
        "selkie_adapters 0.0",
        "selkie_rows_waiting 0.0",
    ):
        assert name in text


def test_a_stopped_device_is_unhealthy_and_answers_503(tmp_path: Path):
    with running(tmp_path) as parts:
        parts.device.stop(5)
        assert ask(parts, lambda client: client.get("/health")).status_code == 503
        assert post(parts, "/v1/completions", prompt="seal").status_code == 503


def test_stopping_answers_every_request_under_way(tmp_path: Path):
    with running(tmp_path, decode_batch=1) as parts:

        async def scenario(client: httpx.AsyncClient) -> list[int]:
            body = {"prompt": "seal", "max_tokens": 250, "n": 20, "temperature": 1.0}
            requests = [asyncio.create_task(client.post("/v1/completions", json=body)) for _ in range(3)]
            await asyncio.sleep(0.1)
            await asyncio.to_thread(parts.device.stop, 5)
            return [answer.status_code for answer in await asyncio.gather(*requests)]

        assert ask(parts, scenario) == [503] * 3


def test_a_decoder_that_breaks_fails_what_was_asked_and_answers_what_comes(
    runner: TorchRunner, monkeypatch: pytest.MonkeyPatch
):
    def broken(_: InferenceEngine) -> bool:
        raise ZeroDivisionError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(InferenceEngine, "step", broken)
        assert post(runner, "/v1/completions", prompt="seal").status_code == 500
    assert completion(runner, prompt="seal", max_tokens=2)["usage"]["completion_tokens"] == 2
