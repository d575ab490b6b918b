"""Decodes Arrow's IPC format, as a stream or a file, to the columns of its table.

This needs pyarrow: ``pip install 'nilometer[batch]'``. Buffers are not copied, so a body needs no
more memory than its cells. Compressed buffers are refused, because their decompressed size has no
bound.

Source: Apache Arrow, "Columnar format", "Serialization and interprocess communication", and its
``Message.fbs``.
"""

import re
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nilometer.bodies import carriers
from nilometer.bodies.arrow_cells import python_cells
from nilometer.bodies.column_names import MAX_COLUMNS, table_names
from nilometer.decode.budget import check_cells, check_rows
from nilometer.decode.columns import Block, Column, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.naming import MAX_DEPTH
from nilometer.decode.protocol import Body, Format
from nilometer.decode.tensors import nested_columns
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"ARROW1\x00\x00"  # start of a file, before its stream
_INDEX = re.compile(r"__index_level_\d+__")  # column for the index of a pandas data frame
_HEADER_TYPE, _HEADER = 1, 2  # fields of a message
_DICTIONARY, _RECORDS = 2, 3  # types of messages with buffers
_COMPRESSION = 3  # field of a record batch


def decode(body: bytes, side: Side) -> Facts:
    """Add the table of *body*.

    Raises:
        Undecodable: ``encoded`` without pyarrow and for compressed buffers, ``malformed`` if the
            body is not Arrow, ``wrong_shape`` for cells that are neither plain nor lists of
            numbers, ``too_large`` for too many rows or cells.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise Undecodable(UndecodableReason.ENCODED.value) from error
    content = body.removeprefix(MAGIC)
    try:
        _check_messages(content)
        with pa.ipc.open_stream(pa.py_buffer(content)) as reader:
            if len(reader.schema) > MAX_COLUMNS:
                raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
            table = reader.read_all()
        block = block_of(table)
    except NotImplementedError as error:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value) from error
    except (ArithmeticError, LookupError, MemoryError, OSError, ValueError, struct.error) as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    side.add_block(block)
    return Facts(Protocol.ARROW)


def block_of(table: "pa.Table") -> Block:
    """Return the columns of *table*.

    Raises:
        ValueError: If offsets point outside their buffers, or text is not UTF-8.
        Undecodable: ``wrong_shape`` or ``too_large``, as `decode` raises it.
    """
    rows = table.num_rows
    check_rows(rows)
    table.validate(full=True)
    names = table.column_names
    table = table.select([at for at, name in enumerate(names) if not _INDEX.fullmatch(name)])
    for _ in range(MAX_DEPTH):
        table = table.flatten()  # objects
    check_cells(rows * table.num_columns)
    if not 0 < table.num_columns <= MAX_COLUMNS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    columns: dict[str, Column] = {}
    for name, column in zip(table_names(table.column_names), table.columns, strict=True):
        cells = _cells(column)
        if isinstance(cells, list) and list in set(map(type, cells)):
            columns |= nested_columns(name, cells)
        else:
            columns[name] = cells
    return Block(rows, columns)


def _cells(column: "pa.ChunkedArray") -> Column:
    import pyarrow as pa

    kind, types = column.type, pa.types
    if types.is_dictionary(kind):
        return _of_dictionary(column)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        if not _is_number(kind.value_type):
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
        check_cells(sum(len(chunk.flatten()) for chunk in column.chunks))
        return list(column.to_pylist())
    if _is_number(kind) and not column.null_count:
        return np.asarray(column.to_numpy())
    if not (_is_number(kind) or any(is_kind(kind) for is_kind in _plain())):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return python_cells(column)


def _of_dictionary(column: "pa.ChunkedArray") -> list[Cell]:
    """Return the cells of a dictionary column; equal cells are one object."""
    cells: list[Cell] = []
    for chunk in column.chunks:
        values = _cells_of_chunk(chunk.dictionary)
        cells += [None if code is None else values[code] for code in chunk.indices.to_pylist()]
    return cells


def _cells_of_chunk(values: "pa.Array") -> Sequence[Cell]:
    import pyarrow as pa

    check_cells(len(values))
    return list(_cells(pa.chunked_array([values])))


def _is_number(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _plain() -> tuple[Any, ...]:
    from pyarrow import types

    return (
        *(types.is_boolean, types.is_string, types.is_large_string, types.is_binary),
        *(types.is_large_binary, types.is_null, types.is_temporal, types.is_decimal),
    )


def _check_messages(content: bytes) -> None:
    """Refuse compressed buffers.

    Raises:
        Undecodable: ``encoded`` if a record batch is compressed.
        pa.ArrowException: If a message is not valid.
        struct.error: If the header of a message is not valid.
    """
    import pyarrow as pa

    reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(content))
    try:
        for message in reader:
            if _is_compressed(message.metadata.to_pybytes()):
                raise Undecodable(UndecodableReason.ENCODED.value)
    except StopIteration:
        pass


def _is_compressed(header: bytes) -> bool:
    """Return whether the record batch in a message is compressed."""
    message = _offset(header, 0)
    at = _field(header, message, _HEADER_TYPE)
    kind = header[at] if at else 0
    if kind not in {_DICTIONARY, _RECORDS}:
        return False
    batch = _table(header, message, _HEADER)
    if kind == _DICTIONARY:
        batch = _table(header, batch, 1)  # table with the cells of the batch
    return _field(header, batch, _COMPRESSION) != 0


def _table(header: bytes, table: int, field: int) -> int:
    """Return the position of the table in a *field* of another table."""
    at = _field(header, table, field)
    if not at:
        raise IndexError("no such table")
    return _offset(header, at)


def _offset(header: bytes, at: int) -> int:
    (step,) = struct.unpack_from("<I", header, at)
    return int(at + step)


def _field(header: bytes, table: int, field: int) -> int:
    """Return the position of a *field* of a table in a flat buffer; 0 if it is absent."""
    (step,) = struct.unpack_from("<i", header, table)
    fields = table - step
    (size,) = struct.unpack_from("<H", header, fields)
    place = 4 + 2 * field
    if place + 2 > size:
        return 0
    (at,) = struct.unpack_from("<H", header, fields + place)
    return table + at if at else 0


def _decode(body: Body, side: Side) -> Facts:
    return decode(body.content, side)


FORMAT = Format.of(carriers.ARROW, decode=_decode)
