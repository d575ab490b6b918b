"""Decodes responses of Anthropic's messages API, whole or streamed.

`input_tokens` includes the tokens that were read from the cache or written to it, as in other
protocols. Requests have the shape of a chat (`nilometer.decode.openai_request`).

Source: Anthropic, "API reference": messages, streaming messages.
"""

from collections.abc import Mapping

from nilometer.bodies.generated import is_anthropic
from nilometer.decode.answer import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Answer,
    Dialect,
    decode,
    object_of,
    objects,
)
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts, Protocol, count_of, text_of
from nilometer.decode.protocol import JsonProtocol
from nilometer.profile.feature import Cell

_BEGIN, _DELTA, _CHANGE, _END = (
    *("message_start", "content_block_delta", "message_delta", "message_stop"),
)
_BLOCK = "content_block_start"
_READ, _WRITTEN = "cache_read_input_tokens", "cache_creation_input_tokens"


def _add(answer: Answer, value: Mapping[str, Cell]) -> None:
    kind = value.get("type")
    if kind == _BEGIN:
        _add_message(answer, object_of(value.get("message")))
    elif kind == _BLOCK:
        _add_block(answer, object_of(value.get("content_block")), value.get("index"))
    elif kind == _DELTA:
        delta = object_of(value.get("delta"))
        answer.text(delta.get("text"))
        answer.reasoning(delta.get("thinking"))
        if delta.get("partial_json"):
            answer.generated()
    elif kind == _CHANGE:
        answer.finish(object_of(value.get("delta")).get("stop_reason"))
        answer.add_usage(value.get("usage"))
    elif kind == _END:
        answer.done()
    elif kind == "message":
        _add_message(answer, value)


def _add_message(answer: Answer, message: Mapping[str, Cell]) -> None:
    answer.name(message)
    answer.finish(message.get("stop_reason"))
    for at, block in enumerate(objects(message.get("content"))):
        _add_block(answer, block, at)
    answer.add_usage(message.get("usage"))


def _add_block(answer: Answer, block: Mapping[str, Cell], index: Cell) -> None:
    """Add a block of a message, or the beginning of one."""
    answer.text(block.get("text"))
    answer.reasoning(block.get("thinking"))
    if text_of(block.get("type")).endswith("tool_use"):
        answer.call(count_of(index))


def _tokens(usage: Mapping[str, Cell]) -> dict[str, int | None]:
    plain, read, written = (count_of(usage.get(name)) for name in ("input_tokens", _READ, _WRITTEN))
    return {
        INPUT_TOKENS: None if plain is None else plain + (read or 0) + (written or 0),
        OUTPUT_TOKENS: count_of(usage.get("output_tokens")),
        CACHED_TOKENS: read,
    }


DIALECT = Dialect(protocol=Protocol.ANTHROPIC, begins=is_anthropic, add=_add, tokens=_tokens)


def _decode_output(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    del path
    if value.get("type") != "message" or not isinstance(value.get("content"), list):
        return None
    return decode(DIALECT, value, side)


PROTOCOL = JsonProtocol(output_keys=frozenset({"stop_reason"}), decode_output=_decode_output)
