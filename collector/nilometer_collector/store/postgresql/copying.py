"""Packs rows for ``COPY ... FROM STDIN (FORMAT BINARY)``, column by column.

The adapters of psycopg take several times as long. PostgreSQL's manual describes the format under
"COPY", "Binary Format".
"""

from collections.abc import Iterator, Sequence
from struct import Struct

import numpy as np

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # signature, flags, and the length of the extension
_TRAILER = b"\xff\xff"
_CELL = np.dtype([("size", ">i4"), ("value", ">i8")])
_BIGINT = 8  # bytes
ROWS_OF_A_PART = 200  # about 100 KiB of samples
_start, _size = Struct(">hi").pack, Struct(">i").pack


def packed_rows(
    texts: Sequence[str],
    integers: Sequence[Sequence[int] | int],
    payloads: Sequence[bytes] | None = None,
) -> Iterator[bytes]:
    """Yield *n* rows, each of a text, bigints and perhaps a bytea, in the order of the arguments.

    The rows come in parts, so that the server stores one while the next is packed.

    Args:
        texts: Text of each row, length n.
        integers: Values of each bigint column, length n; a single value is that of all rows.
        payloads: Value of the bytea column in each row, length n; None for no such column.

    Raises:
        OverflowError: If an integer is not a bigint.
        UnicodeEncodeError: If a text has a lone surrogate.
    """
    columns = 1 + len(integers) + (payloads is not None)
    starts = {text: _started(text, columns) for text in set(texts)}
    yield _HEADER
    for first in range(0, len(texts), ROWS_OF_A_PART):
        some = slice(first, first + ROWS_OF_A_PART)
        numbers = _numbers(
            len(texts[some]), [one if isinstance(one, int) else one[some] for one in integers]
        )
        rows: list[bytes] = []
        if payloads is None:
            for text, part in zip(texts[some], numbers, strict=True):
                rows += starts[text], part
        else:
            for text, part, payload in zip(texts[some], numbers, payloads[some], strict=True):
                rows += starts[text], part, _size(len(payload)), payload
        yield b"".join(rows)
    yield _TRAILER


def _started(text: str, columns: int) -> bytes:
    encoded = text.encode()
    return _start(columns, len(encoded)) + encoded


def _numbers(count: int, integers: Sequence[Sequence[int] | int]) -> Iterator[bytes]:
    """Return the bigint columns of each of *count* rows."""
    cells = np.empty((count, len(integers)), dtype=_CELL)
    cells["size"] = _BIGINT
    for at, column in enumerate(integers):
        cells["value"][:, at] = column
    packed, length = cells.tobytes(), len(integers) * _CELL.itemsize
    return (packed[at : at + length] for at in range(0, len(packed), length))
