"""Decodes requests of OpenAI-style clients: their parameters and the prompt length, but no text.

A request for chat, completions or responses is one row. A request for embeddings has one row per
input, like the vectors of the response.

Source: OpenAI, "API reference".
"""

from collections.abc import Callable, Mapping, Sequence

from nilometer.decode.columns import Row, Side
from nilometer.decode.facts import Facts, Protocol, text_of
from nilometer.profile.feature import Cell

_SETTINGS = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "temperature",
    "top_p",
    "n",
    "stream",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "service_tier",
    "encoding_format",
    "dimensions",
    "size",  # of an image
    "quality",
    "style",
)
_SCALARS = (str, int, float, bool)


def decode(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    """Add a request; return None if *value* is not an OpenAI-style request.

    Args:
        value: Parsed body.
        path: Path of the request; the shape of the body decides if the path is unknown.
        side: Side that the rows are added to.
    """
    rows = next((rows for end, rows in _BY_PATH.items() if path.endswith(end)), _by_shape(value))
    found = rows(value) if rows is not None else None
    if found is None:
        return None
    side.add_rows(found)
    return Facts(Protocol.OPENAI, value=value, model=text_of(value.get("model")))


def _by_shape(value: Mapping[str, Cell]) -> "_Rows | None":
    if not isinstance(value.get("model"), str):
        return None
    if "messages" in value:
        return _chat
    return _completion if "prompt" in value else None


def _chat(value: Mapping[str, Cell]) -> list[Row] | None:
    messages = value.get("messages")
    if not isinstance(messages, list):
        return None
    system = {"content": value.get("system")}  # Anthropic's system prompt is outside the messages
    return [{**_row(value, [*messages, system], "messages"), "messages": len(messages)}]


def _completion(value: Mapping[str, Cell]) -> list[Row] | None:
    prompts = _inputs(value.get("prompt"))
    return None if prompts is None else [_row(value, prompts, "prompts")]


def _response(value: Mapping[str, Cell]) -> list[Row] | None:
    asked = value.get("input")
    items: Sequence[Cell] = asked if isinstance(asked, list) else [asked]
    if not isinstance(asked, str | list):
        return None
    row = _row(value, [*items, value.get("instructions")], "messages")
    return [{**row, "messages": len(items)}]


def _embeddings(value: Mapping[str, Cell]) -> list[Row] | None:
    inputs = _inputs(value.get("input"))
    if inputs is None:
        return None
    common = _common(value)
    return [{**common, **_length(item)} for item in inputs]


def _row(value: Mapping[str, Cell], items: Sequence[Cell], counted: str) -> Row:
    sizes = [_size(item) for item in items]
    tools = value.get("tools")
    return {
        **_common(value),
        counted: len(items),
        "characters": sum(characters for characters, _ in sizes),
        "attachments": sum(attachments for _, attachments in sizes),
        "tools": len(tools) if isinstance(tools, list) else 0,
    }


def _common(value: Mapping[str, Cell]) -> Row:
    model = text_of(value.get("model")) or None
    settings = {name: value[name] for name in _SETTINGS if isinstance(value.get(name), _SCALARS)}
    return {"model": model, **settings}


def _inputs(value: Cell) -> Sequence[Cell] | None:
    """Return a text, a token list, or a list of these as a list of inputs."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        return None
    kinds = set(map(type, value))
    if kinds == {int}:
        return [value]
    return value if kinds <= {str, list} else None


def _length(item: Cell) -> Row:
    return {"tokens": len(item)} if isinstance(item, list) else {"characters": len(str(item))}


def _size(item: Cell) -> tuple[int, int]:
    """Count the characters and the non-text parts of a text, a message, or a part of a message."""
    if isinstance(item, str):
        return len(item), 0
    if not isinstance(item, dict):
        return 0, 0
    content = item.get("content", item.get("text"))
    if not isinstance(content, list):
        return (len(content), 0) if isinstance(content, str) else (0, 0)
    characters = attachments = 0
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            characters += len(text)
        else:
            attachments += 1
    return characters, attachments


_Rows = Callable[[Mapping[str, Cell]], list[Row] | None]
_BY_PATH: Mapping[str, _Rows] = {
    "/chat/completions": _chat,
    "/completions": _completion,
    "/embeddings": _embeddings,
    "/responses": _response,
}
