"""Decodes data frames as pandas writes them to JSON, at the top level or under a key.

The orients ``split`` and ``tight`` have the cells of each row in a list, and a list of column
names. The orient ``table`` has objects and a schema. `nilometer.decode.naming` decodes ``index``
and ``columns``, which are objects keyed by row id; ``records`` is a list of objects.

Watson Machine Learning and H2O have ``fields`` with the names, and ``values`` or ``rows``.

Sources: pandas, ``DataFrame.to_json`` and ``DataFrame.to_dict``; IBM, "Watson Machine Learning API";
H2O, "MLOps: Scoring".
"""

from collections.abc import Mapping, Sequence

from nilometer.bodies.column_names import MAX_COLUMNS, frame_name, series_name, table_names
from nilometer.bodies.named_tables import SERIES, SPLIT
from nilometer.bodies.named_tables import named_rows as named_table
from nilometer.decode.columns import Block, Row
from nilometer.decode.tensors import check_table, table_rows
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason


def frame_in(value: Mapping[str, Cell]) -> Block | list[Row] | None:
    """Return *value* as a block or as rows if it is a data frame; otherwise None.

    Raises:
        Undecodable: If a row's number of cells differs from the number of columns, or if there are
            too many rows or columns.
    """
    data = value.get("data")
    if not isinstance(data, list):
        return named_rows([value])
    keys = value.keys()
    if keys <= SPLIT and ("columns" in keys or "index" in keys):
        return split_block(value) if set(map(type, data)) <= {list} else None
    if keys == SERIES:
        return Block(len(data), {series_name(value["name"]): data})
    schema = value.get("schema")
    if keys <= {"schema", "data"} and isinstance(schema, dict) and "fields" in schema:
        return _without_index(table_rows(data), schema.get("primaryKey"))
    return None


def named_rows(items: Sequence[Cell]) -> list[Row] | None:
    """Return the rows of objects with a list of names and rows; None if an item is something else."""
    rows: list[Row] = []
    for item in items:
        found = named_table(item) if isinstance(item, dict) else None
        if found is None or len(found[0]) > MAX_COLUMNS:
            return None
        names = table_names(found[0])
        rows += (dict(zip(names, cells, strict=True)) for cells in found[1])
    check_table(rows)
    return rows


def split_block(frame: Mapping[str, Cell]) -> Block:
    """Return a data frame of ``data`` and ``columns``; unnamed columns are numbered from 0.

    Raises:
        Undecodable: If a row's number of cells differs from the number of columns.
    """
    columns, data = frame.get("columns"), frame.get("data")
    if not isinstance(data, list):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    if columns is None:
        columns = [*range(len(data[0]) if data and isinstance(data[0], list) else 0)]
    if not isinstance(columns, list) or len(columns) > MAX_COLUMNS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    rows = [row for row in data if isinstance(row, list) and len(row) == len(columns)]
    if len(rows) != len(data):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    names = table_names([*map(frame_name, columns)])
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    return Block(len(rows), {name: list(one) for name, one in zip(names, cells, strict=True)})


def _without_index(rows: Sequence[Row], index: Cell) -> list[Row]:
    dropped = {str(name) for name in index} if isinstance(index, list) else set()
    return [{name: cell for name, cell in row.items() if name not in dropped} for row in rows]
