"""Redacts tables in JSON documents: columns by their names, and positions of rows.

Columns have the names that decoders give them (`nilometer.bodies.column_names`). So a rule also
finds the second of two equal names (``a.1``), and a column that is named by its position.
"""

from collections.abc import Callable, Sequence
from math import prod

from nilometer.bodies.column_names import frame_name, table_names
from nilometer.bodies.named_tables import FIELDS, NAMES, ROWS, TENSOR, named_rows
from nilometer.handoff.named_fields import NamedFields
from nilometer.handoff.withheld import Withheld

Table = dict[str, object]


def without_columns(table: Table, fields: NamedFields) -> tuple[Table, bool]:
    """Return *table* without the named columns, and whether all its columns have names.

    Raises:
        Withheld: If a column is named, but the rows do not match the list of names.
    """
    is_told = False
    for key in NAMES:
        names = table.get(key)
        if key == FIELDS and named_rows(table) is None:
            continue  # a list of this name has another meaning
        if isinstance(names, list):
            texts = [*map(frame_name, names)]
            columns = table_names(texts)
            is_told = is_told or key == NAMES[0] or texts == columns
            kept = [
                at
                for at, (text, column) in enumerate(zip(texts, columns, strict=True))
                if not (fields.key(text, text) or fields.name(column))
            ]
            if len(kept) < len(names):
                left = [names[at] if texts[at] == columns[at] else columns[at] for at in kept]
                table = {**_cut(table, kept, len(names)), key: left}
    return table, is_told


def without_places(rows: list[object], is_named: Callable[[int], frozenset[int]]) -> list[object]:
    """Return *rows* with null at the named positions of each row, or of the vector.

    Args:
        rows: Rows that are lists, or the cells of a single vector.
        is_named: Function that takes the number of columns and returns the named positions.
    """
    first = rows[0] if rows else None
    if not isinstance(first, list):
        places = is_named(len(rows))
        return [None if at in places else one for at, one in enumerate(rows)] if places else rows
    places = is_named(len(first))
    if not places:
        return rows
    return [
        [None if at in places else cell for at, cell in enumerate(row)]
        if isinstance(row, list)
        else row
        for row in rows
    ]


def without_cells(
    cells: list[object], shape: Sequence[int], is_named: Callable[[int], frozenset[int]]
) -> list[object]:
    """Return the *cells* of a tensor of *shape* with null at the named positions."""
    if len(shape) != 2 or any(isinstance(item, list) for item in cells):
        return without_places(cells, is_named)
    places = is_named(width := prod(shape[1:]))
    if not places:
        return cells
    return [None if at % width in places else cell for at, cell in enumerate(cells)]


def _cut(table: Table, kept: list[int], width: int) -> Table:
    cut = dict(table)
    found = False
    for key in ROWS:
        if key in table:
            found = True
            cut[key] = _cut_rows(table[key], kept, width)
    if TENSOR in table:
        found = True
        cut[TENSOR] = _cut_tensor(table[TENSOR], kept, width)
    if not found:
        raise Withheld
    return cut


def _cut_rows(rows: object, kept: list[int], width: int) -> object:
    """Return *rows* of *width* cells, with only the *kept* cells."""
    if not isinstance(rows, list):
        raise Withheld
    if all(isinstance(row, dict) for row in rows):
        return rows  # objects, whose keys are the names
    if not all(isinstance(row, list) and len(row) == width for row in rows):
        raise Withheld
    return [[row[at] for at in kept] for row in rows]


def _cut_tensor(tensor: object, kept: list[int], width: int) -> object:
    """Return a *tensor* of shape (n, *width*), with only the *kept* columns."""
    if not isinstance(tensor, dict):
        raise Withheld
    shape, values = tensor.get("shape"), tensor.get("values")
    if not isinstance(values, list) or not isinstance(shape, list) or len(shape) != 2:
        raise Withheld
    if shape[1] != width or shape[0] * width != len(values):
        raise Withheld
    columns = frozenset(kept)
    cut = [cell for at, cell in enumerate(values) if at % width in columns]
    return {**tensor, "shape": [shape[0], len(kept)], "values": cut}
