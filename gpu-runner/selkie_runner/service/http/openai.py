"""Requests of the OpenAI-compatible API, as far as this server answers them; what it would not honour, it refuses."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: settings of other servers that may be sent with a value that changes nothing
_NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "best_of": (1,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "min_p": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "suffix": ("",),
    "top_k": (-1, 0),
}

TokenId = Annotated[int, Field(ge=0)]
TopLogprobs = Annotated[int, Field(ge=0, le=20)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="allow")

    #: the base where absent
    model: str | None = None

    @model_validator(mode="after")
    def _refuse_what_is_not_honoured(self) -> "_Request":
        unknown = [
            name
            for name, value in (self.model_extra or {}).items()
            if value is not None and value not in _NEUTRAL.get(name, ())
        ]
        if unknown:
            raise ValueError(f"this server does not support {', '.join(sorted(unknown))}")
        return self


class _Generation(_Request):
    n: Annotated[int, Field(ge=1, le=128)] = 1
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    stop: str | list[str] | None = None
    stream: Literal[False] | None = None
    user: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _say_that_nothing_streams(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("stream"):  # pyright: ignore[reportUnknownMemberType]
            raise ValueError("this server does not stream; send stream: false")
        return data

    def stops(self) -> tuple[str, ...]:
        """The stop strings, without empty ones, which would end every answer at once."""
        listed = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(stop for stop in listed if stop)

    def rows(self) -> int:
        """How many rows it asks the device for."""
        return self.n


class CompletionRequest(_Generation):
    prompt: str | list[str] | list[TokenId] | list[list[TokenId]]
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
        """Answers, and prompts whose own log-probabilities are asked."""
        answers = 0 if self.max_tokens == 0 else self.n
        scores = 1 if self.echo and self.logprobs is not None else 0
        return len(self.prompts()) * (answers + scores)

    def prompts(self) -> list[str] | list[list[int]]:
        """The prompts, one or several, as texts or as token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if self.prompt and isinstance(self.prompt[0], int):
            return [self.prompt]  # pyright: ignore[reportReturnType] -- a list whose first element is an id is all ids
        return self.prompt  # pyright: ignore[reportReturnType]


class TextPart(BaseModel):
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    role: str
    content: str | list[TextPart]

    def plain(self) -> dict[str, str]:
        """As the chat template takes it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": self.role, "content": text}


class ChatRequest(_Generation):
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool = False
    top_logprobs: TopLogprobs | None = None
    add_generation_prompt: bool = True


class TokenizeTextRequest(_Request):
    prompt: str
    add_special_tokens: bool = True


class TokenizeChatRequest(_Request):
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    add_generation_prompt: bool = True
    add_special_tokens: bool = False


class LoadAdapterRequest(BaseModel):
    lora_name: Annotated[str, Field(min_length=1)]
    lora_path: Annotated[str, Field(min_length=1)]
    load_inplace: bool = False


class UnloadAdapterRequest(BaseModel):
    lora_name: Annotated[str, Field(min_length=1)]
