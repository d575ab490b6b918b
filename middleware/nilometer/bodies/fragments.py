"""Recognises the frames of home-made streams, each of which has a fragment of one text.

Many applications stream generated text without the format of any known API: ``{"token": "he"}``,
``{"type": "delta", "content": "he"}``, ``{"data": {"text": "he"}, "done": false}``. Such a frame has
one text under a usual key, and nothing else but the bookkeeping of a stream. An object with any other
field is a record.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from nilometer.bodies.generated import scalars_in

Object: TypeAlias = Mapping[str, Any]

MAX_DEPTH = 3
# Keys of the new text of a frame. The text so far may be under another key of `TEXTS`.
PARTS = frozenset({"token", "delta", "chunk"})
TEXTS = PARTS | {
    *("text", "content", "response", "answer", "completion", "generated_text", "output_text"),
    "text_output",
}
WRAPPERS = frozenset({"data", "message"})  # keys of an object that holds the frame itself
_DONE = frozenset(
    {
        *("done", "finished", "final", "is_final", "end", "is_end", "stop", "complete"),
        *("completed", "finish"),
    }
)
REASONS = ("finish_reason", "stop_reason", "done_reason")  # keys of the reason why a model stopped
_ENDS = _DONE.union(REASONS)
_KINDS = ("type", "event")  # keys of the kind of a frame
_BESIDE = frozenset(
    {
        *("id", "index", "idx", "seq", "sequence", "step", "position", "role", "model", "object"),
        *("created", "created_at", "timestamp", "time", "ts", "conversation_id", "session_id"),
        *("message_id", "request_id", "chat_id", "thread_id", "task_id", "run_id", "stream_id"),
        *("response_id", "parent_id", "token_id", "logprob", "logprobs", "special", "usage"),
        *("metadata", "status", "example"),
        *_KINDS,
        *_DONE,
        *REASONS,
    }
)
_OBJECTS = frozenset({"usage", "metadata"})  # keys of bookkeeping that may be an object
# Keys that LangChain writes even if they are empty.
_EMPTY = frozenset(
    {
        *("name", "additional_kwargs", "response_metadata", "usage_metadata", "tool_calls"),
        *("invalid_tool_calls", "tool_call_chunks"),
    }
)
# Kinds of frames whose text does not belong to the answer.
_OTHER_KINDS = frozenset(
    {
        *("status", "progress", "ping", "heartbeat", "keepalive", "keep-alive", "info", "log"),
        *("metadata", "start", "sources", "title", "debug", "end", "done", "finish", "stop"),
    }
)
_REASONING = ("reason", "think", "thought")


class Fragment(NamedTuple):
    """The content of one frame.

    Attributes:
        text: New text; empty in a frame with bookkeeping only.
        is_reasoning: Whether the text is reasoning of the model.
        is_marked: Whether the frame itself shows that it is a part: by its key, or by a field that
            says whether the stream is complete.
        beside: The frame, with its bookkeeping.
    """

    text: str
    is_reasoning: bool
    is_marked: bool
    beside: Object


def fragment_in(value: object, kind: str = "") -> Fragment | None:
    """Return the content of a frame; None if *value* is a record.

    Args:
        value: JSON value of an event or a line. A bare text is a fragment. LangGraph sends a frame
            and its metadata in a list.
        kind: Type of the event; may be empty.
    """
    if isinstance(value, list) and len(value) == 2 and all(isinstance(one, dict) for one in value):
        frame, metadata = value
        value = frame if fragment_in(metadata) is None else value
    if isinstance(value, str):
        return Fragment(value, False, False, {})  # noqa: FBT003  named in the class
    return _in_object(value, kind, 0) if isinstance(value, dict) else None


def is_fragment(value: object, kind: str = "") -> bool:
    """Return whether *value* is a frame with text. *kind* is the type of the event."""
    found = fragment_in(value, kind)
    return found is not None and bool(found.text)


def is_marked_fragment(value: object) -> bool:
    """Return whether *value* is a frame with text that shows that it is a part of one."""
    found = fragment_in(value)
    return found is not None and bool(found.text) and found.is_marked


def are_interleaved(frames: Iterable[tuple[object, str]]) -> bool:
    """Return whether *frames* may belong to several streams that alternate.

    Then a field besides the text has one value, another one, and the first one again: an index or an
    id. The end of a stream is no such field.

    Args:
        frames: Each frame with the type of its event.
    """
    latest: dict[str, object] = {}
    left: set[tuple[str, object]] = set()
    for frame, kind in frames:
        beside = [
            (path, repr(one))
            for path, one in scalars_in(frame)
            if path.rpartition(".")[2] not in _ENDS
        ]
        paths = "\n".join(sorted({path for path, _ in beside}))
        for path, one in (*beside, ("\nkind", kind), ("\npaths", paths)):
            before = latest.setdefault(path, one)
            if before == one:
                continue
            if (path, one) in left:
                return True
            left.add((path, before))
            latest[path] = one
    return False


def _in_object(value: Object, kind: str, depth: int) -> Fragment | None:
    kind = _kind_of(value) or kind.lower()
    texts: dict[str, Fragment] = {}
    for key, one in value.items():
        found = _text_under(key, one, kind, depth)
        if found is not None:
            texts[key] = found
        elif not _is_bookkeeping(key, one):
            return None
    if not texts:
        return Fragment("", False, False, value)  # noqa: FBT003  named in the class
    newest, inner = _newest(texts)
    if newest is None:
        return None
    is_other = kind in _OTHER_KINDS
    return Fragment(
        "" if is_other else inner.text,
        inner.is_reasoning or any(word in kind for word in _REASONING),
        inner.is_marked or newest in PARTS or not _DONE.isdisjoint(value),
        {**inner.beside, **value},
    )


def _kind_of(value: Object) -> str:
    """Return the kind that a frame names, in lower case; may be empty."""
    for key in _KINDS:
        found = value.get(key)
        if isinstance(found, str):
            return found.lower()
    return ""


def _newest(texts: Mapping[str, Fragment]) -> tuple[str | None, Fragment]:
    """Return the key and the content of the new text; no key if a frame has several texts."""
    parts = [key for key in texts if key in PARTS]
    keys = parts or [*texts]
    return (keys[0] if len(keys) == 1 else None), texts[keys[0]]


def _text_under(key: str, value: object, kind: str, depth: int) -> Fragment | None:
    """Return the text of a field; None if the field has none."""
    if key in TEXTS and isinstance(value, str):
        return Fragment(value, False, False, {})  # noqa: FBT003  named in the class
    if key == "data" and kind and isinstance(value, str):
        return Fragment(value, False, False, {})  # noqa: FBT003  named in the class
    if isinstance(value, dict) and value and depth < MAX_DEPTH and key in (TEXTS | WRAPPERS):
        return _in_object(value, kind, depth + 1)
    return None


def _is_bookkeeping(key: str, value: object) -> bool:
    if value is None or value in ({}, []):
        return key in _BESIDE or key in _EMPTY or key in TEXTS or key in WRAPPERS
    if key not in _BESIDE:
        return False
    return key in _OBJECTS if isinstance(value, dict) else not isinstance(value, list)
