"""litellm, by which agents and gateways reach any OpenAI-compatible server."""

import litellm
import pytest
from litellm.exceptions import BadRequestError, NotFoundError
from server import ADAPTER, BASE_URL, MODEL

MESSAGES = [{"role": "user", "content": "Where do selkies live?"}]
SERVER = {"api_base": BASE_URL, "api_key": "none", "num_retries": 0}
SETTINGS = {"max_tokens": 12, "temperature": 1.0, "seed": 7, **SERVER}


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
@pytest.mark.parametrize("name", [MODEL, ADAPTER])
def test_a_chat_and_its_stream(provider, name):
    whole = litellm.completion(model=f"{provider}/{name}", messages=MESSAGES, **SETTINGS)
    chunks = list(litellm.completion(model=f"{provider}/{name}", messages=MESSAGES, stream=True, **SETTINGS))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert whole.usage.completion_tokens > 0


def test_a_text_completion_and_its_stream():
    whole = litellm.text_completion(model=f"text-completion-openai/{MODEL}", prompt="The sea", **SETTINGS)
    chunks = litellm.text_completion(model=f"text-completion-openai/{MODEL}", prompt="The sea", stream=True, **SETTINGS)
    assert "".join(chunk.choices[0].text or "" for chunk in chunks) == whole.choices[0].text


def test_sampling_of_vllm():
    answer = litellm.completion(
        model=f"hosted_vllm/{MODEL}", messages=MESSAGES, top_k=5, min_p=0.1, repetition_penalty=1.1, **SETTINGS
    )
    assert answer.choices[0].finish_reason in ("stop", "length")


def test_errors():
    with pytest.raises(NotFoundError, match="does not exist"):
        litellm.completion(model="openai/other", messages=MESSAGES, **SETTINGS)
    with pytest.raises(BadRequestError, match="tools: this server calls no tools"):
        litellm.completion(
            model=f"openai/{MODEL}",
            messages=MESSAGES,
            tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
            **SETTINGS,
        )
