"""Decodes multipart/form-data: small fields by their names, files by size and type.

A file ``image`` becomes the columns ``image.bytes`` and ``image.type``; its content and its name
are not kept. A part declared as JSON is decoded: ``{"x": 1}`` in ``data`` becomes ``data.x``.
Parts whose names look like values become one map.

Source: RFC 7578.
"""

from collections.abc import Mapping

from nilometer.bodies import carriers
from nilometer.bodies.multipart import Part
from nilometer.bodies.multipart import parts as parts_of
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

MAX_FIELD_BYTES = 1024  # only the length of a longer field is kept
_DEFAULT_TYPE = "application/octet-stream"


def decode(body: bytes, content_type: str, side: Side) -> Facts:
    """Add one row of all parts; the last part of a name counts.

    Raises:
        Undecodable: If a part has no name, the end is missing, or there are too many parts.
    """
    check_text(body)
    parts: dict[str, Part] = {}
    for part in parts_of(body, content_type):
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


def _cells(part: Part) -> Mapping[str, Cell]:
    cells: dict[str, Cell] = {}
    if part.is_file:
        cells[f"{part.name}.bytes"] = len(part.content)
        cells[f"{part.name}.type"] = part.media or _DEFAULT_TYPE
    if part.media == "application/json" or part.media.endswith("+json"):
        cells |= flat({part.name: from_json(part.content)})
    elif not part.is_file:
        cells |= _field(part)
    return cells


def _field(part: Part) -> Mapping[str, Cell]:
    if len(part.content) <= MAX_FIELD_BYTES:
        try:
            return {part.name: typed(part.content.decode())}
        except UnicodeDecodeError:
            pass
    return {f"{part.name}.bytes": len(part.content)}


FORMAT = Format.of(
    carriers.MULTIPART,
    decode=lambda body, side: decode(body.content, body.content_type, side),
)
