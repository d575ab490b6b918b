"""Why a damaged body gives no columns: rules and a table written by hand from the documentation.

Nothing here comes from the decoders. A body has a form, which Python's own parsers tell. The table
says for each form and each content type which reasons are right; most cells have one.
"""

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import TypeAlias


class Same(Enum):
    """Stands for the reason of the whole body under its own type, which the caller knows."""

    AS_JSON = "as the same document under its own type"


Reasons: TypeAlias = AbstractSet[str]
Entry: TypeAlias = Reasons | Same

FINE = frozenset({""})
EMPTY = frozenset({"empty"})
BROKEN = frozenset({"malformed"})
UNKNOWN = frozenset({"unknown_content_type"})
ENCODED = frozenset({"encoded"})
TABLE = frozenset({"", "malformed", "wrong_shape"})  # lines with fields, if they are as long
EVENTS = frozenset({"", "empty"})  # events without data have no row
MAYBE = frozenset({"", "malformed"})

JSON_TYPES = frozenset({"", "application/json", "text/json", "application/x-json"})
FORMS = ("document", "scalar", "lines", "cut", "latin", "events", "array", "text", "bytes")


def row(default: Entry, **others: Entry) -> Mapping[str, Entry]:
    """Return the reasons of one content type: *default*, except for the forms in *others*."""
    return dict.fromkeys(FORMS, default) | others


_LINES = row(
    BROKEN, document=FINE | {"wrong_shape"}, scalar=FINE, lines=FINE, cut=MAYBE, text=MAYBE
)
_JSON = row(
    BROKEN,
    **dict.fromkeys(("document", "scalar"), Same.AS_JSON),
    **dict.fromkeys(("lines", "latin"), MAYBE),
    events=EVENTS,
    array=TABLE,
)
_TABLES = row(TABLE, bytes=BROKEN, array=BROKEN, latin=BROKEN)
_UNREAD = row(FINE, document=Same.AS_JSON, cut=BROKEN, latin=BROKEN, array=TABLE, lines=MAYBE)
_MEDIA = {**_UNREAD, "cut": FINE, "latin": FINE}
# Reasons by content type, then by form. A content type that is not here is unknown to everyone.
RIGHT: Mapping[str, Mapping[str, Entry]] = {
    **dict.fromkeys(JSON_TYPES, _JSON),
    **dict.fromkeys(("application/x-ndjson", "application/jsonlines"), _LINES),
    **dict.fromkeys(("text/csv", "text/tab-separated-values"), _TABLES),
    **dict.fromkeys(
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"), row(BROKEN)
    ),
    "application/x-npy": row(BROKEN, array=TABLE),
    "multipart/form-data": row(BROKEN),
    "application/msgpack": row(BROKEN, document=Same.AS_JSON, scalar=MAYBE, text=MAYBE),
    "application/x-www-form-urlencoded": row(
        BROKEN, document=Same.AS_JSON, lines=MAYBE, scalar=MAYBE, events=MAYBE, text=MAYBE
    ),
    **dict.fromkeys(("application/octet-stream", "application/x-protobuf"), _UNREAD),
    **dict.fromkeys(("image/png", "audio/wav"), _MEDIA),
    "text/plain": row(
        FINE, document=Same.AS_JSON, events=EVENTS, latin=MAYBE, bytes=BROKEN, array=BROKEN
    ),
    "text/event-stream": row(
        FINE,
        document=Same.AS_JSON,
        events=EVENTS,
        cut=MAYBE,
        latin=MAYBE,
        bytes=BROKEN,
        array=TABLE,
    ),
    "text/html": row(UNKNOWN, document=Same.AS_JSON, lines=MAYBE, cut=BROKEN, latin=MAYBE),
    "text/libsvm": row(BROKEN, scalar=MAYBE, text=MAYBE),
}


def form_of(body: bytes) -> str:
    """Return the form of bytes as an engineer would name it who looks at them."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        pass
    else:
        return "document" if isinstance(value, dict | list) else "scalar"
    if body.startswith(b"\x93NUMPY"):
        return "array"
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "latin" if body.startswith((b"{", b"[")) else "bytes"
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and _is_object(lines[0]):
        return "lines"
    if text.lstrip().startswith(("{", "[")):
        return "cut"
    names = ("data:", "event:", "id:", "retry:", ":")
    return "events" if any(line.startswith(names) for line in lines) else "text"


def right_reasons(body: bytes, content_type: str, encoding: str, whole: str) -> Reasons:
    """Return the reasons that are right for a body with another type, or cut; "" means columns.

    Args:
        body: Bytes as received.
        content_type: Declared content type.
        encoding: Declared content encoding, which *body* does not have.
        whole: Reason for the undamaged body under its own type; empty if it has columns.
    """
    if not body:
        return EMPTY
    if encoding == "unheard-of":
        return ENCODED
    if encoding:
        is_json = body.lstrip()[:1] in {b"{", b"["}
        undone = encoding not in {"br", "deflate"} and is_json  # these two have no first bytes
        if not undone:
            return BROKEN | ENCODED
    boundary = content_type.partition("boundary=")[2]
    if boundary and body.rstrip().endswith(f"\r\n--{boundary}--".encode()):
        return FINE  # only the last line end is missing
    media = content_type.partition(";")[0].strip()
    if media == "application/msgpack" and len(body) == 1:
        return MAYBE  # most single bytes are a small number
    reasons = RIGHT.get(media, {}).get(form_of(body), UNKNOWN)
    return frozenset({whole}) if isinstance(reasons, Same) else reasons


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except ValueError:
        return False
