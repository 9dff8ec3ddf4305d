"""Requests of the OpenAI-compatible API, as far as this server answers them; what it would not honour, it refuses."""

from typing import Annotated, Any, Final, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    FailFast,
    Field,
    PlainValidator,
    Tag,
    model_validator,
)

from .parameters import refusals

#: validation holds the interpreter, heartbeats' too: what a body has many of is counted before it is looked at
_MAX_PROMPTS: Final = 8192
_MAX_MESSAGES: Final = 4096
_MAX_PARTS: Final = 1024
#: each is looked for in an answer after every token
_MAX_STOPS: Final = 32
_MAX_STOP_CHARACTERS: Final = 1024
_MAX_N: Final = 128
_MAX_BIASES: Final = 1024


def _named(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not have a NUL character")
    return text


Name = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_named)]
TokenId = Annotated[int, Field(ge=0)]
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
Bias = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
TopLogprobs = Annotated[int, Field(ge=0, le=20)]
Stop = Annotated[str, Field(max_length=_MAX_STOP_CHARACTERS)]


def _prompts(value: object) -> list[Any]:
    """The prompts of a request, one or several: texts, or lists of token ids."""
    given = cast(list[Any], value) if isinstance(value, list) else [value]
    prompts = [given] if isinstance(value, list) and given and type(given[0]) is int else given
    if len(prompts) > _MAX_PROMPTS:
        raise ValueError(f"has more than {_MAX_PROMPTS} prompts")
    if not (all(isinstance(prompt, str) for prompt in prompts) or all(map(_is_token_ids, prompts))):
        raise ValueError("must be a text, a list of texts, a list of token ids, or a list of such lists")
    return prompts


def _is_token_ids(value: object) -> bool:
    return isinstance(value, list) and all(type(token) is int and token >= 0 for token in cast(list[Any], value))


def _few_biases(value: object) -> object:
    if isinstance(value, dict) and len(cast(dict[Any, Any], value)) > _MAX_BIASES:
        raise ValueError(f"has more than {_MAX_BIASES} tokens")
    return value


class _Checked(BaseModel):
    """A request whose texts are Unicode."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_lone_surrogates(cls, data: Any) -> Any:
        """JSON can write what no tokenizer and no file system takes."""
        if isinstance(data, dict):
            for name, value in data.items():  # pyright: ignore[reportUnknownVariableType]
                _check_unicode(str(name), value)  # pyright: ignore[reportUnknownArgumentType]
        return data  # pyright: ignore[reportUnknownVariableType]


class _Request(_Checked):
    model_config = ConfigDict(extra="allow")

    #: the base where absent
    model: str | None = None

    @model_validator(mode="after")
    def _refuse_what_is_not_honoured(self) -> "_Request":
        refused = refusals(self.model_extra or {})
        if refused:
            raise ValueError("; ".join(refused))
        return self


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    include_usage: bool = False
    #: vLLM's: usage so far in every event
    continuous_usage_stats: Literal[False] = False
    #: OpenAI's padding against traffic analysis; none is sent
    include_obfuscation: bool = False


class _Generation(_Request):
    n: Annotated[int, Field(ge=1, le=_MAX_N)] = 1
    best_of: int | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    temperature: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] | None = None
    logit_bias: Annotated[dict[TokenId, Bias] | None, BeforeValidator(_few_biases)] = None
    min_tokens: Annotated[int, Field(ge=0)] | None = None
    ignore_eos: bool | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=_MAX_STOPS)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @model_validator(mode="after")
    def _answers_are_all_given(self) -> "_Generation":
        if self.best_of is not None and self.best_of != self.n:
            raise ValueError("best_of: this server gives every answer that it samples; send n alone")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options: only for stream: true")
        return self

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with its usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    def stops(self) -> tuple[str, ...]:
        """The stop strings, without empty ones, which would end every answer at once."""
        listed = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(stop for stop in listed if stop)

    def rows(self) -> int:
        """How many rows it asks the device for."""
        return self.n


class CompletionRequest(_Generation):
    prompt: Annotated[
        list[str] | list[list[int]],
        PlainValidator(_prompts, json_schema_input_type=str | list[str] | list[int] | list[list[int]]),
    ]
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    logprobs: TopLogprobs | None = None
    echo: bool = False
    #: with `echo`: the first token whose log-probability is asked; those before it cost less (SGLang's word)
    logprob_start_len: Annotated[int, Field(ge=0)] = 0
    add_special_tokens: bool = True

    @model_validator(mode="after")
    def _something_is_asked(self) -> "CompletionRequest":
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens must be at least 1 (0 is for echo: true, which only reads the prompt)")
        return self

    def rows(self) -> int:
        """Answers, and prompts whose own log-probabilities are asked; a prompt that is only repeated counts too."""
        answers = 0 if self.max_tokens == 0 else self.n
        scores = 1 if self.echo and self.logprobs is not None else 0
        return len(self.prompt) * max(1, answers + scores)


class ChatMessage(BaseModel):
    """A message. Fields of an earlier answer may come back empty, as clients send them."""

    model_config = ConfigDict(extra="allow")

    role: str
    content: str | Annotated[list[dict[str, Any]], Field(max_length=_MAX_PARTS)] | None = None
    name: str | None = None

    @model_validator(mode="after")
    def _is_text(self) -> "ChatMessage":
        filled = sorted(name for name, value in (self.model_extra or {}).items() if value not in (None, [], ""))
        if filled:
            raise ValueError(f"this server reads no {', '.join(filled)} in a message")
        for part in self.content if isinstance(self.content, list) else ():
            if part.get("type") != "text" or not isinstance(part.get("text"), str):
                raise ValueError(f"this server reads text only, and a part is of type {part.get('type')}")
        return self

    def plain(self) -> dict[str, str]:
        """As the chat template takes it."""
        parts = [{"text": self.content or ""}] if not isinstance(self.content, list) else self.content
        named = {} if self.name is None else {"name": self.name}
        return {"role": self.role, "content": "".join(part["text"] for part in parts), **named}


class Conversation(BaseModel):
    """Messages, and how the model's chat template writes them."""

    messages: Annotated[list[ChatMessage], FailFast(), Field(min_length=1, max_length=_MAX_MESSAGES)]
    add_generation_prompt: bool = True
    #: variables of the model's template, such as Qwen3's `enable_thinking`
    chat_template_kwargs: dict[str, Any] | None = None
    reasoning_effort: str | None = None

    def template_variables(self) -> dict[str, Any]:
        """What the template is given besides the messages."""
        effort = {} if self.reasoning_effort is None else {"reasoning_effort": self.reasoning_effort}
        return {**effort, **(self.chat_template_kwargs or {})}


class ChatRequest(Conversation, _Generation):
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: TopLogprobs | None = None
    add_special_tokens: bool = False
    echo: Literal[False] | None = None

    @model_validator(mode="after")
    def _likeliest_tokens_come_with_logprobs(self) -> "ChatRequest":
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs: only for logprobs: true")
        return self


class TokenizeTextRequest(_Request):
    prompt: str
    add_special_tokens: bool = True


class TokenizeChatRequest(Conversation, _Request):
    add_special_tokens: bool = False


def _kind(data: Any) -> str:
    return "chat" if isinstance(data, dict) and "messages" in data else "text"


#: told apart first, so that an error is of one of them
TokenizeRequest = Annotated[
    Annotated[TokenizeTextRequest, Tag("text")] | Annotated[TokenizeChatRequest, Tag("chat")], Discriminator(_kind)
]


class LoadAdapterRequest(_Checked):
    lora_name: Name
    lora_path: Name
    load_inplace: bool = False


class UnloadAdapterRequest(_Checked):
    lora_name: Name


def _check_unicode(name: str, value: Any) -> None:
    """Raise where a text in a JSON value has a lone surrogate."""
    rest = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, str):
            try:
                part.encode()
            except UnicodeEncodeError as error:
                raise ValueError(f"{name}: is not Unicode text: a lone surrogate at character {error.start}") from error
        elif isinstance(part, dict):
            rest += [*part, *part.values()]  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(part, list) and part and not isinstance(part[0], int):
            rest += part
