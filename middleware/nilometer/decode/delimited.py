"""Decodes CSV with or without a header.

A column is numeric if all its cells are. MLflow and pandas write a header. SageMaker and XGBoost do
not, so their columns are named by position.

Source: RFC 4180.
"""

import csv

from nilometer.bodies import carriers
from nilometer.decode.budget import check_cells, check_lines
from nilometer.decode.columns import MAX_COLUMNS, Block, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.naming import has_header, placed
from nilometer.decode.protocol import Format
from nilometer.decode.scalars import typed
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

LOOKED_AT = 32  # rows examined to detect a header


def decode(body: bytes, side: Side) -> Facts:
    """Add the table of *body*, in UTF-8.

    Raises:
        Undecodable: If it has no cells, two columns have one name, rows differ in length, or there
            are too many rows or cells.
    """
    check_lines(body)
    try:
        lines = body.decode("utf-8-sig").splitlines(keepends=True)
        table = [row for row in csv.reader(lines, strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    width = len(table[0]) if table else 0
    check_cells(len(table) * width)
    if not 0 < width <= MAX_COLUMNS or {len(row) for row in table} != {width}:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    if has_header(table[:LOOKED_AT]):
        names, rows = placed(table[0]), table[1:]
    else:
        names, rows = [*map(str, range(width))], table
    if len(set(names)) < width:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    columns = zip(*rows, strict=True) if rows else (() for _ in names)
    side.add_block(
        Block(len(rows), {name: _typed(cells) for name, cells in zip(names, columns, strict=True)})
    )
    return Facts(Protocol.CSV)


def _typed(texts: tuple[str, ...]) -> list[Cell]:
    """Convert a column to numbers or booleans if all its non-empty cells are; else keep text."""
    known = {text: typed(text) for text in set(texts)}
    kinds = {type(cell) for cell in known.values() if cell is not None}
    if kinds <= {int, float} or kinds == {bool}:
        return [known[text] for text in texts]
    return [text or None for text in texts]


FORMAT = Format.of(
    carriers.TABLE,
    decode=lambda body, side: decode(body.content, side),
)
