"""Parameters of the OpenAI API and of vLLM that this server does not honour, and the values that change nothing.

A client may send what changes nothing. The rest is refused by name: an answer that leaves out a setting looks right and
is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: that one error names
_LISTED: Final = 10

_NO_TOOLS: Final = "this server calls no tools"
_NO_CONSTRAINTS: Final = "this server has no constrained decoding"
_TEXT_ONLY: Final = "this server reads and writes text only"
_NO_SEARCH: Final = "this server samples, and searches no beams"
_LOCAL: Final = "this server is one process: it stores no answers and has one tier"
_NO_REASONING: Final = "this server does not tell reasoning from the answer"
_PLAIN_ANSWERS: Final = "this server gives an answer's text without special tokens and stop strings"


@dataclass(frozen=True)
class Unsupported:
    """A parameter that is not honoured.

    Attributes:
        reason: what a client is told.
        neutral: values that change nothing; null always does.
    """

    reason: str
    neutral: tuple[Any, ...] = ()


#: any value passes: these say who asks or advise a server, and change no answer
HINTS: Final = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "spaces_between_special_tokens",
        "user",
    }
)

UNSUPPORTED: Final[Mapping[str, Unsupported]] = {
    "allowed_token_ids": Unsupported(_NO_CONSTRAINTS, ([],)),
    "audio": Unsupported(_TEXT_ONLY),
    "bad_words": Unsupported(_NO_CONSTRAINTS, ([],)),
    "chat_template": Unsupported("this server writes conversations with the model's own chat template"),
    "continue_final_message": Unsupported("this server begins a new message", (False,)),
    "documents": Unsupported("put documents into the messages", ([],)),
    "function_call": Unsupported(_NO_TOOLS, ("none", "auto")),
    "functions": Unsupported(_NO_TOOLS, ([],)),
    "guided_choice": Unsupported(_NO_CONSTRAINTS),
    "guided_grammar": Unsupported(_NO_CONSTRAINTS),
    "guided_json": Unsupported(_NO_CONSTRAINTS),
    "guided_regex": Unsupported(_NO_CONSTRAINTS),
    "include_reasoning": Unsupported(_NO_REASONING, (True,)),
    "include_stop_str_in_output": Unsupported(_PLAIN_ANSWERS, (False,)),
    "length_penalty": Unsupported(_NO_SEARCH, (1,)),
    "modalities": Unsupported(_TEXT_ONLY, (["text"],)),
    "prediction": Unsupported("this server does not predict outputs"),
    "priority": Unsupported("this server answers in order of arrival", (0,)),
    "prompt_logprobs": Unsupported("ask /v1/completions with echo and logprobs"),
    "response_format": Unsupported(_NO_CONSTRAINTS, ({"type": "text"},)),
    "return_token_ids": Unsupported("ask for logprobs, or /tokenize the text", (False,)),
    "return_tokens_as_token_ids": Unsupported("tokens are named by their text", (False,)),
    "service_tier": Unsupported(_LOCAL, ("auto", "default")),
    "skip_special_tokens": Unsupported(_PLAIN_ANSWERS, (True,)),
    "stop_token_ids": Unsupported("stop by strings", ([],)),
    "store": Unsupported(_LOCAL, (False,)),
    "structured_outputs": Unsupported(_NO_CONSTRAINTS),
    "suffix": Unsupported("this server writes no text before a suffix", ("",)),
    "tool_choice": Unsupported(_NO_TOOLS, ("none", "auto")),
    "tools": Unsupported(_NO_TOOLS, ([],)),
    "truncate_prompt_tokens": Unsupported("shorten the prompt"),
    "use_beam_search": Unsupported(_NO_SEARCH, (False,)),
    "verbosity": Unsupported("ask for it in the prompt", ("medium",)),
    "web_search_options": Unsupported(_NO_TOOLS),
}


def refusals(parameters: Mapping[str, Any]) -> list[str]:
    """What is wrong with parameters that a request's schema does not have, by name."""
    found: list[str] = []
    for name, value in sorted(parameters.items()):
        known = UNSUPPORTED.get(name)
        if value is None or name in HINTS or (known is not None and _among(value, known.neutral)):
            continue
        if len(found) == _LISTED:
            return [*found, "and more"]
        found.append(f"{name}: {'no parameter of this server' if known is None else known.reason}")
    return found


def _among(value: Any, neutral: tuple[Any, ...]) -> bool:
    # Python's True equals 1
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in neutral)
