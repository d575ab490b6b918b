"""Decodes tables in objects of no known protocol: rows under a key, frames, lists by column.

``{"records": [{...}, {...}]}`` is a set of rows, with any key. A matrix and a data frame under a
key are rows too. Other keys of the object must be metadata, such as ``model`` or ``took_ms``; their
cells are repeated in each row. An object with other fields and a list of objects, such as an order
with its items, is one row.
"""

import re
from collections.abc import Mapping, Sequence

from nilometer.bodies.column_names import MAX_COLUMNS, told_apart, value_like_keys
from nilometer.bodies.scored import best_of_each
from nilometer.decode.budget import check_cells, check_rows
from nilometer.decode.columns import Block, Row
from nilometer.decode.frames import frame_in, named_rows
from nilometer.decode.naming import flat, flat_table
from nilometer.decode.tensors import add_columns, batch_block, check_table, nested_columns
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

_DEPTH = 3  # most levels of keys around a table
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|[_.\- ]+")
# Last words of keys of metadata, which describes the call.
_METADATA = frozenset(
    {
        *("id", "model", "version", "signature", "object", "usage", "status", "success", "error"),
        *("params", "parameters", "options", "config", "meta", "metadata", "context", "schema"),
        *("took", "ms", "duration", "latency", "elapsed", "created", "timestamp", "count"),
        *("ok", "code", "message", "msg", "errors", "warnings"),
    }
)
_OF_CALLS = frozenset({"signature_name", "model_name", "modelDisplayName"})
_RESULTS = frozenset({"results", "Results", "result"})  # one value per request row
_TABLES = frozenset({list, dict})
# Keys of a matrix with a row for each observation.
_MATRICES = frozenset({"embedding", "embeddings", "vector", "vectors", "values", "features"})
_EMBEDDING_WIDTH = 8  # fewest numbers in a row of a matrix under any other key


def table_in(value: Mapping[str, Cell]) -> Block | list[Row] | None:
    """Return the table that *value* is or contains, as a block or as rows; None if there is none.

    Raises:
        Undecodable: If the table has too many rows, columns or cells.
    """
    frame = frame_in(value)
    if frame is not None:
        return frame
    tables = [key for key, cell in value.items() if type(cell) in _TABLES and not is_metadata(key)]
    if len(tables) > 1:
        return _by_column(value) or _by_matrix(value, tables)
    if len(tables) != 1 or value_like_keys(value):
        return None
    key = tables[0]
    if not all(is_metadata(other) for other in value if other != key):
        return None
    found = _under(key, value[key], 1)
    if found is None or len(value) == 1:
        return found
    beside = flat(
        {
            other: cell
            for other, cell in value.items()
            if other != key and (other, cell) != ("object", "list")  # OpenAI marks lists so
        }
    )
    return _block_beside(found, beside) if isinstance(found, Block) else _rows_beside(found, beside)


def is_metadata(key: str) -> bool:
    """Return whether *key* names metadata of a call, by its last word."""
    return key in _OF_CALLS or _WORDS.split(key)[-1].lower() in _METADATA


def _under(key: str, value: Cell, depth: int) -> Block | list[Row] | None:
    """Return the table that is the value of *key*; None if it is something else."""
    if isinstance(value, list):
        return _list(key, value)
    if not isinstance(value, dict):
        return None
    frame = frame_in(value)
    if frame is not None or len(value) != 1 or depth == _DEPTH:
        return frame
    ((inner, items),) = value.items()
    if isinstance(items, list) and set(map(type, items)) != {dict}:
        return None  # a vector or a matrix keeps the name of its object
    return _under(inner, items, depth + 1)


def _list(key: str, items: list[Cell]) -> Block | list[Row] | None:
    kinds = set(map(type, items))
    if kinds == {dict}:
        check_rows(len(items))
        rows = named_rows(items) or flat_table(items)
        check_table(rows)
        return rows
    if kinds == {list}:
        scored = best_of_each(items)
        if scored is not None:
            return [*scored]
        columns = nested_columns(key, items)
        return None if columns.get(key) is items else Block(len(items), columns)
    if kinds and key in _RESULTS and not kinds & _TABLES:
        return Block(len(items), {key: items})
    return None


def _by_column(value: Mapping[str, Cell]) -> Block | None:
    """Return a block of at least two equally long lists of plain cells."""
    for items in value.values():
        if not isinstance(items, list) or not items or set(map(type, items)) & _TABLES:
            return None
    return batch_block(value)


def _by_matrix(value: Mapping[str, Cell], tables: Sequence[str]) -> Block | None:
    """Return a block of equally long lists, of which one is a matrix, beside metadata.

    Embeddings beside their texts are such lists. Other lists of lists, such as the basket and the
    coupons of one customer, may have the same length by chance.
    """
    lists = {name: value[name] for name in tables}
    beside = {name: cell for name, cell in value.items() if name not in lists}
    kinds = [
        set(map(type, items)) if isinstance(items, list) else set() for items in lists.values()
    ]
    if (
        not all(kinds)
        or {dict} in kinds
        or {list} not in kinds
        or not all(map(is_metadata, beside))
    ):
        return None
    if any(len(one) > 1 and one & _TABLES for one in kinds):
        return None
    matrices = (name for name, one in zip(lists, kinds, strict=True) if one == {list})
    if not all(_is_matrix(name, value[name]) for name in matrices):
        return None
    block = batch_block(lists)
    return None if block is None else _block_beside(block, flat(beside))


def _is_matrix(key: str, rows: Cell) -> bool:
    """Return whether *rows* are equally wide lists of numbers, and wide or under a usual key."""
    if not isinstance(rows, list):
        return False
    widths = set(map(len, rows))
    if len(widths) != 1 or not {type(cell) for row in rows for cell in row} <= {int, float}:
        return False
    return key in _MATRICES or widths.pop() >= _EMBEDDING_WIDTH


def _rows_beside(rows: Sequence[Row], beside: Row) -> list[Row]:
    check_cells(len(rows) * len(beside))
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    if len(names) + len(beside) > MAX_COLUMNS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    free = told_apart([*names, *beside])[len(names) :]
    common = dict(zip(free, beside.values(), strict=True))
    return [{**row, **common} for row in rows]


def _block_beside(block: Block, beside: Row) -> Block:
    check_cells(block.rows * len(beside))
    columns = dict(block.columns)
    add_columns(columns, {name: [cell] * block.rows for name, cell in beside.items()})
    return Block(block.rows, columns)
