"""Decodes libsvm's text format: one row per line, each cell with its column number before it.

A row contains only some columns. The absent cells stand for 0 and are missing. A number at the
start of the line is the ``label``.

Source: SageMaker, "XGBoost algorithm"; LIBSVM, "README".
"""

import re

from nilometer.bodies.carriers import LIBSVM
from nilometer.bodies.column_names import MAX_COLUMNS
from nilometer.decode.budget import check_cells, check_rows
from nilometer.decode.columns import Block, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.protocol import Format
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

LABEL = "label"
_PLACE = re.compile(r"(?:0|[1-9][0-9]{0,2}):")


def decode(body: bytes, side: Side) -> Facts:
    """Add the rows of *body*.

    Raises:
        Undecodable: ``malformed`` if it is not libsvm text or a column number is 1000 or more;
            ``too_large`` if there are too many rows or cells.
    """
    check_rows(body.count(b"\n"))
    try:
        rows = [_row(line) for line in body.decode().splitlines() if line.strip()]
    except ValueError as error:  # includes text that is not UTF-8
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    names = sorted({name for row in rows for name in row}, key=lambda name: (len(name), name))
    if not names or len(names) > MAX_COLUMNS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    check_cells(len(rows) * len(names))
    columns: dict[str, list[Cell]] = {name: [row.get(name) for row in rows] for name in names}
    side.add_block(Block(len(rows), columns))
    return Facts(Protocol.LIBSVM)


def _row(line: str) -> dict[str, float]:
    """Return the cells of a line by name.

    Raises:
        ValueError: If a cell has no column number.
    """
    first, *rest = line.split("#", 1)[0].split() or [""]
    row: dict[str, float] = {}
    if ":" not in first:
        row[LABEL] = float(first)
    else:
        rest = [first, *rest]
    for cell in rest:
        place, _, number = cell.partition(":")
        if place == "qid":
            continue
        if _PLACE.match(cell) is None:
            raise ValueError(f"{len(place)} characters are not a valid column number")
        row[place] = float(number)
    return row


FORMAT = Format.of(LIBSVM, decode=lambda body, side: decode(body.content, side))
