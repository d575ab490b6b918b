"""Decodes CSV and its dialects, with or without a header.

Columns are separated by commas, tabs, semicolons or bars. A column is numeric if all its cells are.
MLflow and pandas write a header. SageMaker and XGBoost do not, so their columns are named by
position.

Source: RFC 4180, with the parameter ``header``; pandas, "IO tools", for the texts of missing cells.
"""

import csv
import re
from collections.abc import Sequence
from itertools import chain

from nilometer.bodies import carriers
from nilometer.bodies.lines import text_lines
from nilometer.bodies.media import in_utf8, media_type
from nilometer.decode.budget import check_cells, check_lines
from nilometer.decode.columns import MAX_COLUMNS, Block, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.known import IsName, is_no_name
from nilometer.decode.naming import has_header, placed, told_apart
from nilometer.decode.protocol import Format
from nilometer.decode.scalars import typed
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

LOOKED_AT = 32  # rows examined to detect a header

_DELIMITERS = ("\t", ";", "|")  # tried before the comma
_COMMA = ","
_HEADER = re.compile(r";\s*header\s*=\s*\"?(present|absent)\b", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_MISSING = frozenset(
    {"", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "-nan", "NULL", "null", "None", "#N/A"}
)  # as pandas reads them
_INFINITE = {
    sign + name: float(f"{sign}inf")
    for sign in ("", "+", "-")
    for name in ("inf", "Inf", "INF", "infinity", "Infinity")
}


def decode(body: bytes, content_type: str, side: Side, is_name: IsName = is_no_name) -> Facts:
    """Add the table of *body*, in UTF-8.

    Args:
        body: Text of the table.
        content_type: Declared content type; its parameter ``header`` is ``present`` or ``absent``.
        side: Side that the columns are added to.
        is_name: Function that returns whether a text is the known name of a column.

    Raises:
        Undecodable: If it has no cells, rows differ in length, or there are too many rows or cells.
    """
    check_lines(body)
    try:
        lines = text_lines(in_utf8(body, content_type).decode("utf-8-sig"))
        delimiter = "\t" if media_type(content_type) in carriers.TABS else _delimiter(lines)
        table = [row for row in csv.reader(lines, delimiter=delimiter, strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    width = len(table[0]) if table else 0
    check_cells(len(table) * width)
    if not 0 < width <= MAX_COLUMNS or {len(row) for row in table} != {width}:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    if _begins_with_header(table, content_type, is_name):
        names, rows = told_apart(placed(table[0])), table[1:]
        dropped = 0 if table[0][-1] else 1  # a delimiter at the end of each line
    else:
        names, rows, dropped = [*map(str, range(width))], table, 0
    cells_of = [*zip(*rows, strict=True)] if rows else [()] * width
    if dropped and any(cells_of[-1]):
        dropped = 0
    columns = {
        name: _typed(cells, delimiter)
        for name, cells in zip(names[: width - dropped], cells_of, strict=False)
    }
    side.add_block(Block(len(rows), columns))
    return Facts(Protocol.CSV)


def _begins_with_header(table: Sequence[Sequence[str]], content_type: str, is_name: IsName) -> bool:
    header = _HEADER.search(content_type)
    if header is not None:
        return header.group(1).lower() == "present"
    return has_header(table[:LOOKED_AT], is_name)


def _delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that separates each of the first *lines* into as many cells.

    Beside a comma that does so, too, another delimiter needs commas that are decimal marks.
    """
    first = lines[:LOOKED_AT]
    text = "".join(first)
    candidates = [one for one in _DELIMITERS if one in text]
    if not candidates:
        return _COMMA
    commas = _rows(first, _COMMA)
    for one in candidates:
        rows = _rows(first, one)
        with_comma = [cell for cell in chain.from_iterable(rows) if _COMMA in cell]
        if rows and (not commas or all(map(_DECIMAL_COMMA.fullmatch, with_comma))):
            return one
    return _COMMA


def _rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Return the rows of *lines*; none if they differ in length or have one cell each."""
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, strict=True) if row]
    except csv.Error:
        return []
    widths = {len(row) for row in rows}
    return rows if len(widths) == 1 and widths != {1} else []


def _typed(texts: Sequence[str], delimiter: str) -> list[Cell]:
    """Convert a column to numbers or booleans if all its present cells are; else keep text."""
    known = {text: _cell(text, delimiter) for text in set(texts)}
    kinds = {type(cell) for cell in known.values() if cell is not None}
    if kinds <= {int, float} or kinds == {bool}:
        return [known[text] for text in texts]
    return [None if text in _MISSING else text for text in texts]


def _cell(text: str, delimiter: str) -> Cell:
    if text in _MISSING:
        return None
    if text in _INFINITE:
        return _INFINITE[text]
    if delimiter != _COMMA and _DECIMAL_COMMA.fullmatch(text):
        return typed(text.replace(_COMMA, "."))
    return typed(text)


FORMAT = Format.of(
    carriers.TABLE,
    decode=lambda body, side: decode(body.content, body.content_type, side, body.is_name),
)
