"""Decodes Google's Gemini API: requests, whole responses and streams.

A stream is a stream of events or a JSON list. `output_tokens` includes the tokens of thoughts, as
in other protocols.

Source: Google, "Gemini API": generateContent, streamGenerateContent.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from nilometer.bodies.generated import is_gemini
from nilometer.bodies.json_text import ends_of_items
from nilometer.decode.answer import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    REASONING_TOKENS,
    Answer,
    Dialect,
    decode,
    length_of,
    object_of,
    objects,
)
from nilometer.decode.columns import Row, Side
from nilometer.decode.facts import MAX_ID, Facts, Protocol, count_of, text_of
from nilometer.decode.protocol import JsonProtocol
from nilometer.decode.stream_errors import error_in
from nilometer.profile.feature import Cell

_CANDIDATES, _USAGE = "candidates", "usageMetadata"
_MODEL = re.compile(r"/models/([^/:]+):")
_SETTINGS = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "maxOutputTokens": "max_output_tokens",
    "candidateCount": "n",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "responseMimeType": "response_type",
}
_SCALARS = (str, int, float, bool)


def _add(answer: Answer, value: Mapping[str, Cell]) -> None:
    answer.name(value, "modelVersion", "responseId")
    for candidate in objects(value.get(_CANDIDATES)):
        answer.choice(candidate.get("index"))
        content = object_of(candidate.get("content"))
        for at, part in enumerate(objects(content.get("parts"))):
            if part.get("thought") is True:
                answer.reasoning(part.get("text"))
            else:
                answer.text(part.get("text"))
            if isinstance(part.get("functionCall"), dict):
                answer.call((answer.at, count_of(candidate.get("index")), at))
        if candidate.get("finishReason"):
            answer.finish(candidate.get("finishReason"))
            answer.done()
    blocked = object_of(value.get("promptFeedback")).get("blockReason")
    if blocked:
        answer.finish(blocked)
        answer.done()
    answer.add_usage(value.get(_USAGE))


def _tokens(usage: Mapping[str, Cell]) -> dict[str, int | None]:
    answered, thought = (
        count_of(usage.get(name)) for name in ("candidatesTokenCount", "thoughtsTokenCount")
    )
    total = None if answered is None and thought is None else (answered or 0) + (thought or 0)
    return {
        INPUT_TOKENS: count_of(usage.get("promptTokenCount")),
        OUTPUT_TOKENS: total,
        CACHED_TOKENS: count_of(usage.get("cachedContentTokenCount")),
        REASONING_TOKENS: thought,
    }


DIALECT = Dialect(protocol=Protocol.GEMINI, begins=is_gemini, add=_add, tokens=_tokens)


def _decode_input(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    """Add a request as one row; return None if its contents are not messages."""
    contents = value.get("contents")
    if not isinstance(contents, list) or not all(
        isinstance(one, dict) and "parts" in one for one in contents
    ):
        return None
    named = _MODEL.search(path)
    model = named[1][:MAX_ID] if named else text_of(value.get("model"))
    given = object_of(value.get("generationConfig") or value.get("generation_config"))
    system = value.get("systemInstruction") or value.get("system_instruction")
    parts = [part for one in [*contents, system] for part in objects(object_of(one).get("parts"))]
    tools = value.get("tools")
    row: Row = {
        "model": model or None,
        "messages": len(contents),
        "characters": sum(length_of(part.get("text")) for part in parts),
        "attachments": sum("inlineData" in part or "fileData" in part for part in parts),
        "tools": len(tools) if isinstance(tools, list) else 0,
    }
    settings = {
        column: given[name]
        for name, column in _SETTINGS.items()
        if isinstance(given.get(name), _SCALARS)
    }
    side.add_rows([{**row, **settings}])
    return Facts(Protocol.GEMINI, value=value, model=model)


def _decode_output(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    del path
    return decode(DIALECT, value, side) if is_gemini(value) else None


def decode_list(items: Sequence[Cell], text: bytes, side: Side) -> Facts | None:
    """Add a stream that is one list of JSON as one row; return None if the list is none.

    Args:
        items: Parsed list.
        text: The list as JSON, for the places of its items.
        side: Side that the row is added to.
    """
    frames = [item for item in items if isinstance(item, dict)]
    if not frames or len(frames) < len(items) or not is_gemini(frames[0]):
        return None
    answer = Answer(DIALECT, streamed=True)
    places = ends_of_items(text)
    for frame, place in zip(frames, places or [0] * len(frames), strict=True):
        error = error_in(frame)
        if error:
            answer.failed(error)
        else:
            answer.add(frame, place)
    side.add_rows([answer.row()])
    facts = answer.facts()
    return facts if places else replace(facts, frames=None)


PROTOCOL = JsonProtocol(
    input_keys=frozenset({"contents"}),
    output_keys=frozenset({_CANDIDATES, _USAGE}),
    decode_input=_decode_input,
    decode_output=_decode_output,
)
