"""Decodes responses of OpenAI-style servers: chat, completions and responses, whole or in chunks.

Servers report usage in a last chunk without choices, in a chunk with an empty choice, or together
with the last choice. All three forms are decoded anywhere in a stream. If all counts are zero, the
server does not count tokens.

Source: OpenAI, "API reference": chat completions, completions, responses. Reasoning in chat chunks
is an extension of DeepSeek, vLLM and OpenRouter; Groq has the usage of a stream under ``x_groq``.
"""

from collections.abc import Mapping

from nilometer.bodies.generated import is_openai
from nilometer.decode.answer import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    REASONING_TOKENS,
    Answer,
    Dialect,
    object_of,
    objects,
)
from nilometer.decode.facts import Protocol, count_of, text_of
from nilometer.decode.stream_errors import type_of
from nilometer.profile.feature import Cell

_TOKENS = {
    INPUT_TOKENS: ("prompt_tokens", "input_tokens"),
    OUTPUT_TOKENS: ("completion_tokens", "output_tokens"),
}
_DETAILS = {
    CACHED_TOKENS: (("prompt_tokens_details", "input_tokens_details"), "cached_tokens"),
    REASONING_TOKENS: (
        ("completion_tokens_details", "output_tokens_details"),
        "reasoning_tokens",
    ),
}
_EVENT = "response."  # prefix of the event types of a streamed response
_TEXT = frozenset({"response.output_text.delta", "response.refusal.delta"})
_OTHER_CONTENT = frozenset(
    {
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
        "response.audio.delta",
        "response.output_audio.delta",
    }
)
_REASONING = frozenset(
    {"response.reasoning_text.delta", "response.reasoning_summary_text.delta"},
)
_ITEM = "response.output_item.added"
_FAILED = "response.failed"
_ENDS = frozenset({"response.completed", "response.incomplete", _FAILED})


def _add(answer: Answer, value: Mapping[str, Cell]) -> None:
    """Add a whole response, a chunk, or an event of a streamed response."""
    kind = value.get("type")
    if isinstance(kind, str) and kind.startswith(_EVENT):
        _add_event(answer, kind, value)
    elif value.get("object") == "response":
        _add_response(answer, value)
    else:
        _add_choices(answer, value)


def _add_choices(answer: Answer, value: Mapping[str, Cell]) -> None:
    answer.name(value)
    for choice in objects(value.get("choices")):
        index = choice.get("index")
        answer.choice(index)
        answer.finish(choice.get("finish_reason"))
        answer.text(choice.get("text"))
        for key in ("message", "delta"):
            message = choice.get(key)
            if isinstance(message, dict):
                _add_message(answer, message, count_of(index) or 0, is_part=key == "delta")
        told = object_of(choice.get("logprobs"))
        tokens = told.get("content") or told.get("tokens") or choice.get("token_ids")
        if isinstance(tokens, list):
            answer.tell(len(tokens))
    answer.add_usage(value.get("usage") or object_of(value.get("x_groq")).get("usage"))


def _add_message(
    answer: Answer, message: Mapping[str, Cell], choice: int, *, is_part: bool
) -> None:
    """Add a message, or a chunk's part of one, to the choice with this index."""
    answer.text(message.get("content"))
    answer.text(message.get("refusal"))
    audio = object_of(message.get("audio"))
    answer.text(audio.get("transcript"))
    if audio.get("data") or message.get("images"):
        answer.generated()
    answer.reasoning(message.get("reasoning_content") or message.get("reasoning"))
    for at, call in enumerate(objects(message.get("tool_calls"))):
        # Only the first chunk of a call has its id; every chunk has its index.
        index = count_of(call.get("index")) if is_part else at
        answer.call((choice, at if index is None else index))
    if isinstance(message.get("function_call"), dict):
        answer.call((choice, None))


def _add_event(answer: Answer, kind: str, event: Mapping[str, Cell]) -> None:
    if kind in _TEXT:
        answer.text(event.get("delta"))
    elif kind in _OTHER_CONTENT:
        answer.generated()
    elif kind in _REASONING:
        answer.reasoning(event.get("delta"))
    elif kind == _ITEM and text_of(object_of(event.get("item")).get("type")).endswith("_call"):
        answer.count_call(count_of(event.get("output_index")))
    response = event.get("response")
    if isinstance(response, dict):
        answer.name(response)
        if kind in _ENDS:
            if kind == _FAILED:
                answer.failed(type_of(response.get("error")))
            answer.done()
            answer.restart()
            _add_response(answer, response)


def _add_response(answer: Answer, response: Mapping[str, Cell]) -> None:
    answer.name(response)
    details = object_of(response.get("incomplete_details"))
    answer.finish(details.get("reason"))
    answer.finish(response.get("status"))
    for at, item in enumerate(objects(response.get("output"))):
        kind = text_of(item.get("type"))
        if kind.endswith("_call"):
            answer.count_call(at)
        for part in objects(item.get("content")) if kind == "message" else ():
            answer.count(part.get("text"))
            answer.count(part.get("refusal"))
    answer.add_usage(response.get("usage"))


def tokens_of(usage: Mapping[str, Cell]) -> dict[str, int]:
    """Return token counts by column, for every dialect's usage; empty if all counts are zero."""
    found: dict[str, int | None] = {}
    for column, names in _TOKENS.items():
        found[column] = next(
            (count for name in names if (count := count_of(usage.get(name))) is not None), None
        )
    for column, (places, name) in _DETAILS.items():
        for place in places:
            details = usage.get(place)
            if isinstance(details, dict):
                found[column] = count_of(details.get(name))
    tokens = {column: count for column, count in found.items() if count is not None}
    return tokens if any(tokens.values()) else {}


DIALECT = Dialect(protocol=Protocol.OPENAI, begins=is_openai, add=_add, tokens=tokens_of)
