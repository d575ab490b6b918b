"""Decodes multipart/form-data: small fields by their names, files by size and type.

A file ``image`` becomes the columns ``image.bytes`` and ``image.type``; its content and its name
are not kept. A part declared as JSON is decoded: ``{"x": 1}`` in ``data`` becomes ``data.x``.
Parts whose names look like values become one map.

Source: RFC 7578.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nilometer.decode.budget import check_text
from nilometer.decode.columns import MAX_COLUMNS, VALUE, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.json_body import from_json
from nilometer.decode.naming import flat, value_like_keys
from nilometer.decode.protocol import Format
from nilometer.decode.scalars import typed
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAX_FIELD_BYTES = 1024  # longest field whose text is kept; of a longer one only the length is
MAX_HEAD_BYTES = 8192  # size of the headers of one part
_DEFAULT_TYPE = "application/octet-stream"
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([a-z-]+\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    is_file: bool
    media: str  # empty if the part has no content type
    content: bytes


def decode(body: bytes, content_type: str, side: Side) -> Facts:
    """Add one row of all parts; the last part of a name counts.

    Raises:
        Undecodable: If a part has no name, the end is missing, or there are too many parts.
    """
    check_text(body)
    parts: dict[str, _Part] = {}
    for part in _parts(body, content_type):
        parts[part.name] = part
        if len(parts) > MAX_COLUMNS:
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    nothing = value_like_keys(parts)
    row: dict[str, Cell] = {}
    for name, part in parts.items():
        if name not in nothing:
            row |= _cells(part)
        if len(row) > MAX_COLUMNS:
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    if nothing:
        row.setdefault(VALUE, dict.fromkeys(nothing))
    side.add_rows([row])
    return Facts(Protocol.MULTIPART)


def _cells(part: _Part) -> Mapping[str, Cell]:
    cells: dict[str, Cell] = {}
    if part.is_file:
        cells[f"{part.name}.bytes"] = len(part.content)
        cells[f"{part.name}.type"] = part.media or _DEFAULT_TYPE
    if part.media == "application/json" or part.media.endswith("+json"):
        cells |= flat({part.name: from_json(part.content)})
    elif not part.is_file:
        cells |= _field(part)
    return cells


def _field(part: _Part) -> Mapping[str, Cell]:
    if len(part.content) <= MAX_FIELD_BYTES:
        try:
            return {part.name: typed(part.content.decode())}
        except UnicodeDecodeError:
            pass
    return {f"{part.name}.bytes": len(part.content)}


def _parts(body: bytes, content_type: str) -> Iterator[_Part]:
    told = _BOUNDARY.search(content_type)
    # A logger may have lost the boundary parameter, but the body begins with the delimiter.
    delimiter = (
        b"--" + told.group(1).strip().encode("latin-1", "replace")
        if told
        else body[:74].split(b"\r\n")[0]
    )
    if len(delimiter) < 3 or not delimiter.startswith(b"--"):
        raise Undecodable(UndecodableReason.MALFORMED.value)
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter, MAX_COLUMNS + 2)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise Undecodable(UndecodableReason.MALFORMED.value)
    for piece in pieces[1:-1]:
        head, found, content = piece.partition(b"\r\n\r\n")
        if not found or len(head) > MAX_HEAD_BYTES:
            raise Undecodable(UndecodableReason.MALFORMED.value)
        yield _part(head, content)


def _part(head: bytes, content: bytes) -> _Part:
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    parameters: dict[str, str] = {
        key.lower(): quoted or plain
        for key, quoted, plain in _PARAMETER.findall(headers.get("content-disposition", ""))
    }
    part_name = parameters.get("name")
    if not part_name:
        raise Undecodable(UndecodableReason.MALFORMED.value)
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_file = "filename" in parameters or "filename*" in parameters
    return _Part(part_name, is_file, media, content)


FORMAT = Format(
    media_types=frozenset({"multipart/form-data"}),
    decode=lambda body, side: decode(body.content, body.content_type, side),
)
