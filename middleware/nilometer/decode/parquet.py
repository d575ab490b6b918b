"""Decodes Parquet files to the columns of their table.

This needs pyarrow: ``pip install 'nilometer[batch]'``. The headers of all pages are read first,
because the pages of a small file may expand to any size: a run of many rows, or a long text for
each code.

Source: Apache Parquet, "File format" and ``parquet.thrift``; Apache Thrift, "Compact protocol".
"""

from collections.abc import Iterator, Sequence

from nilometer.bodies import carriers
from nilometer.bodies.column_names import MAX_COLUMNS
from nilometer.decode.arrow import block_of
from nilometer.decode.budget import MAX_BODY_WEIGHT, check_cells, check_rows
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.protocol import Body, Format
from nilometer.decode.thrift import Struct, read_struct
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAGIC = b"PAR1"  # before and after a file
MAX_FIXED = 64  # most bytes of a fixed-length cell; longer cells could be repeated by a short code
MAX_PAGES = 4096

_TEXT, _FIXED = 6, 7  # physical types
# Fields of the footer, of a schema element, of a row group, and of a column in it.
_SCHEMA, _ROWS, _GROUPS = 2, 3, 4
_TYPE, _LENGTH, _NAME, _CHILDREN = 1, 2, 4, 5
_COLUMNS, _GROUP_ROWS = 1, 3
_COLUMN, _PATH, _CHUNK, _FIRST_PAGE, _CODES = 3, 3, 7, 9, 11
# Fields of a page header.
_SIZE, _STORED = 2, 3
_CELLS = 1  # number of cells, for each kind of page
_ENCODINGS = {5: 2, 7: 2, 8: 4}  # by kind of page: plain, dictionary, version 2
# Plain, codes, runs, packed bits, number differences, split bytes; shared prefixes are excluded.
_BOUNDED = frozenset({0, 2, 3, 4, 5, 6, 8, 9})


def decode(body: bytes, side: Side) -> Facts:
    """Add the table of *body*.

    Raises:
        Undecodable: ``encoded`` without pyarrow, for encrypted files and for texts that share
            prefixes, ``malformed`` if the body is not Parquet, ``wrong_shape`` for cells that are
            neither plain nor lists of numbers, ``too_large`` for too many rows, cells or bytes.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise Undecodable(UndecodableReason.ENCODED.value) from error
    try:
        texts = _checked_texts(body)
        # With codes, a long text is stored once, however many cells contain it.
        source = pa.BufferReader(pa.py_buffer(body))
        with parquet.ParquetFile(source, read_dictionary=texts) as file:
            groups = range(file.num_row_groups)
            parts = [file.read_row_group(at, use_threads=False) for at in groups]
            table = pa.concat_tables(parts) if parts else file.schema_arrow.empty_table()
            block = block_of(table)
    except NotImplementedError as error:  # for example lists of objects over several pages
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value) from error
    except (ArithmeticError, LookupError, MemoryError, OSError, ValueError) as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    side.add_block(block)
    return Facts(Protocol.PARQUET)


def _checked_texts(body: bytes) -> list[str]:
    """Return the paths of the text columns; refuse a file that would need too much memory.

    The footer is read here, because some damaged footers make pyarrow end the process.
    """
    start = len(body) - len(MAGIC) - 4 - int.from_bytes(body[-8:-4], "little")
    if not body.endswith(MAGIC) or start < len(MAGIC):
        raise ValueError("no footer")
    told, _ = read_struct(body, start)
    groups = _structs(told, _GROUPS)
    columns = [column for group in groups for column in _structs(group, _COLUMNS)]
    rows = max(_number(told, _ROWS), sum(_number(group, _GROUP_ROWS) for group in groups))
    elements = [one for one in _structs(told, _SCHEMA) if _CHILDREN not in one]
    check_rows(rows)
    if len(elements) > MAX_COLUMNS or len(columns) > len(elements) * max(len(groups), 1):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    check_cells(rows * len(elements))
    for element in elements:
        if element.get(_TYPE) == _FIXED and _number(element, _LENGTH) > MAX_FIXED:
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    chunks = [_struct(column, _COLUMN) for column in columns]
    _check_pages([header for chunk in chunks for header in _pages(chunk, body)])
    return [_path(chunk) for chunk in chunks if chunk.get(_TYPE) == _TEXT]


def _check_pages(headers: Sequence[Struct]) -> None:
    check_cells(sum(map(_checked_cells, headers)))
    if sum(_number(header, _SIZE) for header in headers) > MAX_BODY_WEIGHT:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)


def _pages(chunk: Struct, body: bytes) -> Iterator[Struct]:
    """Yield the headers of the pages of a column, in order."""
    at = _number(chunk, _FIRST_PAGE)
    codes = chunk.get(_CODES)
    if isinstance(codes, int) and 0 < codes < at:
        at = codes
    end = at + _number(chunk, _CHUNK)
    if end > len(body):
        raise ValueError("a column lies outside the file")
    for _ in range(MAX_PAGES):
        if at >= end:
            return
        header, at = read_struct(body, at)
        at += _number(header, _STORED)
        yield header
    raise Undecodable(UndecodableReason.TOO_LARGE.value)


def _checked_cells(header: Struct) -> int:
    """Return the number of cells of a page."""
    cells = 0
    for kind, encoding in _ENCODINGS.items():
        if kind in header:
            page = _struct(header, kind)
            if _number(page, encoding) not in _BOUNDED:
                raise Undecodable(UndecodableReason.ENCODED.value)
            cells += _number(page, _CELLS)
    return cells


def _path(chunk: Struct) -> str:
    """Return the dotted path of a column."""
    names = chunk.get(_PATH)
    found = [name for name in names if isinstance(name, bytes)] if isinstance(names, list) else []
    return b".".join(found).decode()


def _number(found: Struct, field: int) -> int:
    number = found.get(field)
    if not isinstance(number, int) or number < 0:
        raise ValueError("no number")
    return number


def _struct(found: Struct, field: int) -> Struct:
    inner = found.get(field)
    if isinstance(inner, dict):
        return inner
    raise ValueError("no structure")


def _structs(found: Struct, field: int) -> list[Struct]:
    items = found.get(field)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _decode(body: Body, side: Side) -> Facts:
    return decode(body.content, side)


FORMAT = Format.of(carriers.PARQUET, decode=_decode)
