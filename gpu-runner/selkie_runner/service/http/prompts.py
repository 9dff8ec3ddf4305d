"""From a request's texts to token ids. Takes time for long texts: call it from a worker thread."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...ports import Model
from .errors import BadRequest
from .openai import Conversation


@dataclass(frozen=True)
class Prompt:
    """A prompt as text and as token ids."""

    text: str
    ids: tuple[int, ...]


def read_prompt(model: Model, prompt: str | Sequence[int], add_special_tokens: bool) -> Prompt:
    """A prompt that was sent as text or as token ids.

    Raises:
        BadRequest: it is empty, longer than the model's context, or has an id outside the vocabulary.
    """
    if isinstance(prompt, str):
        read = Prompt(prompt, tuple(text_tokens(model, prompt, add_special_tokens) if prompt else ()))
    else:
        check_length(model, len(prompt), 0)
        tokenizer = model.tokenizer
        beyond = next((token for token in prompt if token >= tokenizer.vocabulary), None)
        if beyond is not None:
            raise BadRequest(f"token id {beyond} is outside the vocabulary of {tokenizer.vocabulary}")
        read = Prompt(tokenizer.decode(prompt), tuple(prompt))
    if not read.ids:
        raise BadRequest("prompt must not be empty")
    return read


def conversation_tokens(model: Model, conversation: Conversation, add_special_tokens: bool) -> list[int]:
    """Token ids of a conversation, written with the model's chat template.

    Raises:
        BadRequest: the model has no template, or the conversation is longer than its context.
        TemplateRefused: the template does not take the conversation.
    """
    written = model.tokenizer.render(
        [message.plain() for message in conversation.messages],
        add_generation_prompt=conversation.add_generation_prompt,
        variables=conversation.template_variables(),
    )
    if written is None:
        raise BadRequest(f"{model.name} has no chat template; ask it by /v1/completions")
    return text_tokens(model, written, add_special_tokens)


def text_tokens(model: Model, text: str, add_special_tokens: bool) -> list[int]:
    """Token ids of a text; raises `BadRequest` for a text that is clearly longer than the model's context."""
    longest = model.max_length * model.tokenizer.longest_token
    if len(text) > longest:
        raise BadRequest(
            f"This model's maximum context length is {model.max_length} tokens, which are at most {longest} characters."
            f" However, your prompt has {len(text)} characters; shorten it."
        )
    return model.tokenizer.encode(text, special_tokens=add_special_tokens)


def check_length(model: Model, prompt_tokens: int, max_tokens: int) -> None:
    """Raise `BadRequest` where a prompt and its answer do not fit the model's context."""
    if prompt_tokens + max_tokens > model.max_length:
        raise BadRequest(
            f"This model's maximum context length is {model.max_length} tokens. However, you requested {max_tokens}"
            f" output tokens and your prompt has {prompt_tokens}; shorten the prompt or lower max_tokens."
        )
