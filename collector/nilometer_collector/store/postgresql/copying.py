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
_start, _size = Struct(">hi").pack, Struct(">i").pack


def packed_rows(
    texts: Sequence[str],
    integers: Sequence[Sequence[int] | int],
    payloads: Sequence[bytes] | None = None,
) -> bytes:
    """Return *n* rows, each of a text, bigints and perhaps a bytea, in the order of the arguments.

    Args:
        texts: Text of each row, length n.
        integers: Values of each bigint column, length n; a single value is that of all rows.
        payloads: Value of the bytea column in each row, length n; None for no such column.

    Raises:
        OverflowError: If an integer is not a bigint.
        UnicodeEncodeError: If a text has a lone surrogate.
    """
    cells = np.empty((len(texts), len(integers)), dtype=_CELL)
    cells["size"] = _BIGINT
    for at, column in enumerate(integers):
        cells["value"][:, at] = column
    columns = 1 + len(integers) + (payloads is not None)
    starts = {text: _started(text, columns) for text in set(texts)}
    numbers = _parts(cells.tobytes(), len(integers) * _CELL.itemsize)
    rows = [_HEADER]
    if payloads is None:
        for text, part in zip(texts, numbers, strict=True):
            rows += starts[text], part
    else:
        for text, part, payload in zip(texts, numbers, payloads, strict=True):
            rows += starts[text], part, _size(len(payload)), payload
    rows.append(_TRAILER)
    return b"".join(rows)


def _started(text: str, columns: int) -> bytes:
    encoded = text.encode()
    return _start(columns, len(encoded)) + encoded


def _parts(packed: bytes, length: int) -> Iterator[bytes]:
    return (packed[at : at + length] for at in range(0, len(packed), length))
