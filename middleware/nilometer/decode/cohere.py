"""Decodes Cohere's chat API: responses of versions 1 and 2, requests of version 1.

Requests of version 2 have the shape of a chat (`nilometer.decode.openai_request`).

Source: Cohere, "API reference": chat, chat with streaming.
"""

from collections.abc import Mapping

from nilometer.bodies.generated import is_cohere
from nilometer.decode.answer import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Answer,
    Dialect,
    decode,
    length_of,
    object_of,
    objects,
)
from nilometer.decode.columns import Row, Side
from nilometer.decode.facts import Facts, Protocol, count_of, text_of
from nilometer.decode.protocol import JsonProtocol
from nilometer.decode.stream_errors import UNNAMED
from nilometer.profile.feature import Cell

_FAILED = frozenset({"ERROR", "ERROR_TOXIC", "ERROR_LIMIT", "TIMEOUT"})
_SETTINGS = (
    *("temperature", "max_tokens", "k", "p", "stream", "frequency_penalty", "presence_penalty"),
    "seed",
)
_SCALARS = (str, int, float, bool)


def _is_answer(value: Mapping[str, Cell]) -> bool:
    if "finish_reason" not in value:
        return False
    return isinstance(value.get("text"), str) or isinstance(value.get("message"), dict)


def _add(answer: Answer, value: Mapping[str, Cell]) -> None:
    if not is_cohere(value):
        _add_answer(answer, value)
    elif "event_type" in value:
        _add_first_version(answer, text_of(value.get("event_type")), value)
    else:
        _add_frame(answer, text_of(value.get("type")), value)


def _add_frame(answer: Answer, kind: str, value: Mapping[str, Cell]) -> None:
    """Add a frame of version 2."""
    delta = object_of(value.get("delta"))
    message = object_of(delta.get("message"))
    content = object_of(message.get("content"))
    answer.text(content.get("text"))
    answer.reasoning(content.get("thinking"))
    answer.reasoning(message.get("tool_plan"))
    if kind == "message-start":
        answer.name(value)
    elif kind == "tool-call-start":
        answer.call(count_of(value.get("index")))
    elif kind == "tool-call-delta":
        answer.generated()
    elif kind == "message-end":
        _end(answer, delta)


def _add_first_version(answer: Answer, kind: str, value: Mapping[str, Cell]) -> None:
    """Add a frame of version 1; the last frame repeats the whole response."""
    answer.name(value, identity="generation_id")
    if kind == "text-generation":
        answer.text(value.get("text"))
    elif kind == "tool-calls-chunk":
        answer.generated()
    elif kind == "tool-calls-generation":
        for at, _ in enumerate(objects(value.get("tool_calls"))):
            answer.call(at)
    elif kind == "stream-end":
        answer.restart()
        _add_answer(answer, object_of(value.get("response")))
        _end(answer, value)


def _end(answer: Answer, told: Mapping[str, Cell]) -> None:
    reason = text_of(told.get("finish_reason"))
    answer.finish(reason)
    answer.add_usage(told.get("usage"))
    if reason in _FAILED:
        answer.failed(UNNAMED)
    answer.done()


def _add_answer(answer: Answer, value: Mapping[str, Cell]) -> None:
    """Add a whole response."""
    answer.name(value)
    answer.name(value, identity="generation_id")
    answer.finish(value.get("finish_reason"))
    message = object_of(value.get("message"))
    answer.count(value.get("text"))
    answer.count(message.get("content"))
    for place in (message, value):
        for at, _ in enumerate(objects(place.get("tool_calls"))):
            answer.count_call(at)
    answer.add_usage(value.get("usage") or value.get("meta"))


def _tokens(usage: Mapping[str, Cell]) -> dict[str, int | None]:
    told = object_of(usage.get("tokens") or usage.get("billed_units"))
    return {
        INPUT_TOKENS: count_of(told.get("input_tokens")),
        OUTPUT_TOKENS: count_of(told.get("output_tokens")),
        CACHED_TOKENS: count_of(usage.get("cached_tokens")),
    }


DIALECT = Dialect(protocol=Protocol.COHERE, begins=is_cohere, add=_add, tokens=_tokens)


def _decode_input(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    """Add a request of version 1 as one row; return None for any other request."""
    message = value.get("message")
    if not isinstance(message, str) or not path.endswith("/chat"):
        return None
    history = [*objects(value.get("chat_history"))]
    model = text_of(value.get("model"))
    told = [message, value.get("preamble"), *(one.get("message") for one in history)]
    tools = value.get("tools")
    row: Row = {
        "model": model or None,
        "messages": len(history) + 1,
        "characters": sum(map(length_of, told)),
        "tools": len(tools) if isinstance(tools, list) else 0,
    }
    settings = {name: value[name] for name in _SETTINGS if isinstance(value.get(name), _SCALARS)}
    side.add_rows([{**row, **settings}])
    return Facts(Protocol.COHERE, value=value, model=model)


def _decode_output(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    del path
    return decode(DIALECT, value, side) if _is_answer(value) else None


PROTOCOL = JsonProtocol(
    input_keys=frozenset({"message"}),
    output_keys=frozenset({"finish_reason"}),
    decode_input=_decode_input,
    decode_output=_decode_output,
)
