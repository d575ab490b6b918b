"""Decodes multipart/form-data: small fields by their names, files by size and type.

A file ``image`` becomes the columns ``image.bytes`` and ``image.type``; its content and its name
are not kept. A part declared as JSON is decoded: ``{"x": 1}`` in ``data`` becomes ``data.x``.
Parts whose names look like values become one map. A repeated field becomes a list.

Source: RFC 7578.
"""

from collections.abc import Iterator

from nilometer.bodies import carriers
from nilometer.bodies.column_names import value_like_keys
from nilometer.bodies.multipart import MAX_FIELD_BYTES, Part
from nilometer.bodies.multipart import parts as parts_of
from nilometer.decode.budget import check_text
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts, Protocol, text_of
from nilometer.decode.form import add_field
from nilometer.decode.json_body import from_json
from nilometer.decode.naming import flat
from nilometer.decode.protocol import Format
from nilometer.decode.said import names_model
from nilometer.decode.scalars import typed
from nilometer.profile.feature import Cell

_DEFAULT_TYPE = "application/octet-stream"


def decode(body: bytes, content_type: str, side: Side, path: str = "") -> Facts:
    """Add one row of all parts. *path* is that of the request; it may be empty.

    Raises:
        Undecodable: If a part has no name, the end is missing, or there are more than
            `MAX_COLUMNS` parts.
    """
    check_text(body)
    parts = [*parts_of(body, content_type)]
    nothing = value_like_keys({part.name: None for part in parts})
    row: dict[str, Cell] = {}
    for part in parts:
        if part.name in nothing:
            row[part.name] = None  # the content is not kept
            continue
        for name, cell in _cells(part):
            add_field(row, name, cell)
    side.add_rows([flat(row)])
    model = text_of(row.get("model")) if names_model(path, row) else ""
    return Facts(Protocol.MULTIPART, model=model)


def _cells(part: Part) -> Iterator[tuple[str, Cell]]:
    if part.is_file:
        yield f"{part.name}.bytes", len(part.content)
        yield f"{part.name}.type", part.media or _DEFAULT_TYPE
    if part.media == "application/json" or part.media.endswith("+json"):
        yield part.name, from_json(part.content)
    elif not part.is_file:
        yield _field(part)


def _field(part: Part) -> tuple[str, Cell]:
    if len(part.content) <= MAX_FIELD_BYTES:
        try:
            return part.name, typed(part.content.decode())
        except UnicodeDecodeError:
            pass
    return f"{part.name}.bytes", len(part.content)


FORMAT = Format.of(
    carriers.MULTIPART,
    decode=lambda body, side: decode(body.content, body.content_type, side, body.path),
)
