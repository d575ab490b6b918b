"""Decodes responses of OpenAI-style servers: chat, completions and responses, whole or in chunks.

No text is kept. The columns are the model, the length, the finish reason, tool calls and token
counts. Servers report usage in a last chunk without choices, in a chunk with an empty choice, or
beside the last choice. All three are decoded anywhere in a stream. If all counts are zero, the
server does not count tokens.

Source: OpenAI, "API reference": chat completions, completions, responses.
"""

import json
import re
from collections.abc import Iterator, Mapping

from nilometer.decode.columns import Row, Side
from nilometer.decode.facts import Facts, Protocol, count_of, id_of, text_of
from nilometer.profile.feature import Cell
from nilometer.values.reasons import StreamEnd

_OBJECTS = frozenset(
    {"chat.completion", "chat.completion.chunk", "text_completion", "completion", "response"}
)
_TOKENS = {
    "input_tokens": ("prompt_tokens", "input_tokens"),
    "output_tokens": ("completion_tokens", "output_tokens"),
}
_DETAILS = {
    "cached_tokens": (("prompt_tokens_details", "input_tokens_details"), "cached_tokens"),
    "reasoning_tokens": (
        ("completion_tokens_details", "output_tokens_details"),
        "reasoning_tokens",
    ),
}
_EVENT = "response."  # prefix of the event types of a streamed response
_DELTAS = frozenset({"response.output_text.delta", "response.refusal.delta"})
_FAILED = "response.failed"
# Matches only a key of an object: inside a string, its quotes would be escaped.
_USAGE_KEY = re.compile(rb'"usage"\s*:\s*')
MAX_USAGES = 4  # usage objects parsed per event, because a hostile event may have thousands
_json = json.JSONDecoder()
_ENDS = frozenset({"response.completed", "response.incomplete", _FAILED})


def is_response(value: Mapping[str, Cell]) -> bool:
    """Return whether a body is a response of an OpenAI-style server."""
    if text_of(value.get("object")) in _OBJECTS:
        return True
    choices = value.get("choices")
    return isinstance(choices, list) and bool(choices) and all(map(_is_choice, choices))


def is_chunk(value: Mapping[str, Cell]) -> bool:
    """Return whether the data of an event is a chunk of such a response."""
    kind = value.get("type")
    return is_response(value) or (isinstance(kind, str) and kind.startswith(_EVENT))


def _is_choice(choice: Cell) -> bool:
    return isinstance(choice, dict) and not choice.keys().isdisjoint({"message", "delta", "text"})


class Response:
    """One response, whole or gathered from its chunks. Not thread-safe."""

    __slots__ = (
        "_calls",
        "_characters",
        "_choices",
        "_end",
        "_finish",
        "_id",
        "_interrupted",
        "_model",
        "_tokens",
        "begun",
    )

    def __init__(self) -> None:
        self.begun = False
        self._id = ""
        self._model = ""
        self._finish: str | None = None
        self._characters = 0
        self._choices: set[int] = set()
        self._calls = 0
        self._tokens: dict[str, int] = {}
        self._end: StreamEnd | None = None
        self._interrupted = False

    def interrupt(self) -> None:
        """Record that chunks are missing, so that counts over the whole stream are unknown."""
        self._interrupted = True

    def add_cut(self, piece: bytes) -> None:
        """Add the usage in *piece*, the rest of an event whose beginning is missing."""
        if self.begun:
            for found in [*_USAGE_KEY.finditer(piece)][-MAX_USAGES:]:
                self._add_usage(_value_at(piece, found.end()))

    def add(self, value: Mapping[str, Cell]) -> None:
        """Add a whole response, a chunk, or an event of a streamed response."""
        self.begun = True
        kind = value.get("type")
        if isinstance(kind, str) and kind.startswith(_EVENT):
            self._add_event(kind, value)
        elif value.get("object") == "response":
            self._add_response(value)
        else:
            self._add_choices(value)

    def row(self) -> Row:
        """Return the response as one row; unknown or incomplete values are absent."""
        row: dict[str, Cell] = {
            "model": self._model or None,
            "finish_reason": self._finish,
            "choices": max(len(self._choices), 1),
            "characters": None if self._interrupted else self._characters,
            "tool_calls": None if self._interrupted else self._calls,
        }
        return row | self._tokens

    def facts(self, end: StreamEnd | None = None, value: Cell = None) -> Facts:
        """Return the facts beside the row; *end* is the end that the stream framing reported."""
        return Facts(
            Protocol.OPENAI,
            value=value,
            prediction_id=self._id,
            model=self._model,
            input_tokens=self._tokens.get("input_tokens"),
            output_tokens=self._tokens.get("output_tokens"),
            stream_end=StreamEnd.ERROR if StreamEnd.ERROR in {end, self._end} else end or self._end,
            partial=self._interrupted,
        )

    def _add_choices(self, value: Mapping[str, Cell]) -> None:
        self._name(value)
        for choice in _objects(value.get("choices")):
            self._choices.add(count_of(choice.get("index")) or 0)
            self._finish = self._finish or text_of(choice.get("finish_reason")) or None
            self._characters += _length(choice.get("text"))
            whole, piece = choice.get("message"), choice.get("delta")
            if isinstance(whole, dict):
                self._characters += _length(whole.get("content")) + _length(whole.get("refusal"))
                self._calls += len(list(_objects(whole.get("tool_calls"))))
            if isinstance(piece, dict):
                self._characters += _length(piece.get("content")) + _length(piece.get("refusal"))
                # Only the first chunk of a call has its name; later chunks have its arguments.
                calls = _objects(piece.get("tool_calls"))
                self._calls += sum(bool(call.get("id")) for call in calls)
        self._add_usage(value.get("usage"))

    def _add_event(self, kind: str, event: Mapping[str, Cell]) -> None:
        if kind in _DELTAS:
            self._characters += _length(event.get("delta"))
        response = event.get("response")
        if isinstance(response, dict):
            self._name(response)
            if kind in _ENDS:
                # The last event repeats the whole text.
                self._characters, self._interrupted = 0, False
                self._add_response(response)
                self._end = StreamEnd.ERROR if kind == _FAILED else StreamEnd.COMPLETED

    def _add_response(self, response: Mapping[str, Cell]) -> None:
        self._name(response)
        details = response.get("incomplete_details")
        why = details.get("reason") if isinstance(details, dict) else None
        self._finish = text_of(why) or text_of(response.get("status")) or None
        for item in _objects(response.get("output")):
            kind = text_of(item.get("type"))
            self._calls += kind.endswith("_call")
            for part in _objects(item.get("content")) if kind == "message" else ():
                self._characters += _length(part.get("text")) + _length(part.get("refusal"))
        self._add_usage(response.get("usage"))

    def _name(self, value: Mapping[str, Cell]) -> None:
        self._id = self._id or id_of(value.get("id"))
        self._model = self._model or text_of(value.get("model"))

    def _add_usage(self, usage: Cell) -> None:
        if isinstance(usage, dict):
            self._tokens = tokens_of(usage) or self._tokens


def decode(value: Mapping[str, Cell], side: Side) -> Facts:
    """Add a whole response."""
    response = Response()
    response.add(value)
    side.add_rows([response.row()])
    return response.facts(value=value)


def tokens_of(usage: Mapping[str, Cell]) -> dict[str, int]:
    """Return token counts by column, for any dialect of usage; empty if all counts are zero."""
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


def _value_at(piece: bytes, start: int) -> Cell:
    """Return the JSON value that begins at *start*; None if it is invalid or cut off."""
    try:
        value: Cell = _json.raw_decode(piece[start:].decode("utf-8", "replace"))[0]
    except (ValueError, RecursionError):
        return None
    return value


def _objects(items: Cell) -> Iterator[dict[str, Cell]]:
    if isinstance(items, list):
        yield from (item for item in items if isinstance(item, dict))


def _length(text: Cell) -> int:
    """Return the number of characters of a text, or of all texts in a list of parts."""
    if isinstance(text, str):
        return len(text)
    return sum(_length(part.get("text")) for part in _objects(text))
