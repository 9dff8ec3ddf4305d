"""OpenAI's library for Python, as its users call it."""

import asyncio

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from server import ADAPTER, BASE_URL, MODEL

client = OpenAI(base_url=BASE_URL, api_key="none", max_retries=0)
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where do selkies live?"}]
END_TOKEN = "2"
SETTINGS = {"temperature": 1.0, "seed": 7, "max_tokens": 16}


@pytest.mark.parametrize("model", [MODEL, ADAPTER])
def test_a_completion_and_its_stream(model):
    whole = client.completions.create(model=model, prompt=["sea", "seal"], n=2, logprobs=2, **SETTINGS)
    assert (len(whole.choices), whole.model) == (4, model)
    assert whole.usage.total_tokens == 7 + whole.usage.completion_tokens
    texts = {choice.index: "" for choice in whole.choices}
    usage = None
    for chunk in client.completions.create(
        model=model, prompt=["sea", "seal"], n=2, stream=True, stream_options={"include_usage": True}, **SETTINGS
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == {choice.index: choice.text for choice in whole.choices}
    assert usage.total_tokens == whole.usage.total_tokens


def test_token_ids_echo_and_the_prompts_own_logprobs():
    [choice] = client.completions.create(model=MODEL, prompt=[70, 71, 72], echo=True, logprobs=1, max_tokens=0).choices
    assert choice.logprobs.token_logprobs[0] is None
    assert all(value < 0 for value in choice.logprobs.token_logprobs[1:])
    assert len(choice.logprobs.tokens) == len(choice.logprobs.text_offset) == 3


@pytest.mark.parametrize("model", [MODEL, ADAPTER])
def test_a_chat_and_its_stream(model):
    # the library takes an answer that ends by length for an error: this one ends after 6 tokens
    ending = {"logit_bias": {END_TOKEN: 100}, "extra_body": {"min_tokens": 6}}
    asked = {"model": model, "messages": MESSAGES, "logprobs": True, "top_logprobs": 3, "n": 2, **SETTINGS, **ending}
    whole = client.chat.completions.create(**asked)
    assert [choice.message.role for choice in whole.choices] == ["assistant"] * 2
    for choice in whole.choices:
        assert [len(entry.top_logprobs) for entry in choice.logprobs.content] == [3] * 7
    with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"content.delta", "content.done", "logprobs.content.delta"} <= kinds
    assert [choice.message.content for choice in final.choices] == [c.message.content for c in whole.choices]
    assert [choice.finish_reason for choice in final.choices] == ["stop"] * 2
    assert final.usage == whole.usage


def test_values_that_change_nothing_pass_with_those_of_vllm():
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": [{"type": "text", "text": "Where?"}]}],
        max_completion_tokens=4,
        temperature=0.7,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        logit_bias={"70": -100},
        metadata={"run": "1"},
        store=False,
        service_tier="auto",
        parallel_tool_calls=True,
        response_format={"type": "text"},
        user="someone",
        extra_body={"top_k": 5, "min_p": 0.01, "repetition_penalty": 1.1, "chat_template_kwargs": {"a": 1}},
    )
    assert answer.usage.completion_tokens <= 4


def test_models():
    assert [model.id for model in client.models.list()] == [MODEL, ADAPTER]
    assert client.models.retrieve(MODEL).id == MODEL
    assert client.models.retrieve(ADAPTER).owned_by == "selkie"


@pytest.mark.parametrize(
    ("error", "says", "call"),
    [
        (openai.NotFoundError, "does not exist", lambda: client.models.retrieve("other")),
        (openai.NotFoundError, "/v1/embeddings", lambda: client.embeddings.create(model=MODEL, input="x")),
        (openai.NotFoundError, "/v1/responses", lambda: client.responses.create(model=MODEL, input="x")),
        (
            openai.BadRequestError,
            "maximum context length is 512 tokens",
            lambda: client.completions.create(model=MODEL, prompt="x" * 600),
        ),
        (
            openai.BadRequestError,
            "tools: this server calls no tools",
            lambda: client.chat.completions.create(
                model=MODEL, messages=MESSAGES, tools=[{"type": "function", "function": {"name": "f"}}]
            ),
        ),
        (
            openai.BadRequestError,
            "response_format: this server has no constrained decoding",
            lambda: client.chat.completions.create(
                model=MODEL, messages=MESSAGES, response_format={"type": "json_object"}
            ),
        ),
        (
            openai.BadRequestError,
            "reads text only, and a part is of type image_url",
            lambda: client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}],
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_are_of_the_librarys_classes(error, says, call):
    with pytest.raises(error, match=says):
        call()


def test_many_at_once_and_some_given_up():
    async def scenario():
        async with AsyncOpenAI(base_url=BASE_URL, api_key="none", max_retries=0) as many:

            async def ask(number):
                stream = await many.chat.completions.create(
                    model=MODEL, messages=MESSAGES, stream=True, max_tokens=64, seed=number
                )
                parts = []
                async for chunk in stream:
                    parts.append(chunk.choices[0].delta.content or "")
                    if number % 2 and len(parts) > 3:
                        await stream.close()
                        break
                return "".join(parts)

            return await asyncio.gather(*(ask(number) for number in range(16)))

    assert len(asyncio.run(scenario())) == 16
