"""Arrays of whole numbers and of texts as parameters, in PostgreSQL's binary form.

The adapter of psycopg for lists looks at each element several times, which takes a third of the time
of a join of ground truth. PostgreSQL's source describes the form in ``array_recv``.
"""

from collections.abc import Collection, Iterable, Sequence
from struct import Struct
from typing import Any, TypeVar

import numpy as np
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

from nilometer_collector.store.texts import check_texts

_BIGINT_OID, _BIGINTS_OID = 20, 1016
_TEXT_OID, _TEXTS_OID = 25, 1009
_HEADER = Struct(">iiIii")  # dimensions, flags, type of the elements, length, and lower bound
_CELL = np.dtype([("size", ">i4"), ("value", ">i8")])
_size = Struct(">i").pack

T = TypeVar("T")


def as_array(values: Collection[T] | None) -> list[T] | None:
    """Return a few *values* as a parameter for an array; None stays NULL."""
    return None if values is None else list(values)


class Bigints:
    """An array of ``bigint``.

    Args:
        values: Whole numbers, -2^63 to 2^63 - 1.

    Raises:
        OverflowError: If a number is outside.
    """

    __slots__ = ("packed",)

    def __init__(self, values: Sequence[int]) -> None:
        cells = np.empty(len(values), dtype=_CELL)
        cells["size"] = 8
        cells["value"] = values
        self.packed = _header(len(values), _BIGINT_OID) + cells.tobytes()


class Texts:
    """An array of ``text``.

    Args:
        values: Texts.

    Raises:
        Refused: If a text contains NUL or a lone surrogate.
    """

    __slots__ = ("packed",)

    def __init__(self, values: Sequence[str]) -> None:
        check_texts(values)
        parts = [_header(len(values), _TEXT_OID)]
        for value in values:
            encoded = value.encode()
            parts += (_size(len(encoded)), encoded)
        self.packed = b"".join(parts)


def columns(rows: Iterable[Sequence[int | str]]) -> list[Bigints | Texts]:
    """Return *rows*, of which there is at least one, as one array for each column."""
    return [
        Texts(column) if isinstance(column[0], str) else Bigints(column)
        for column in zip(*rows, strict=True)
    ]


def register(connection: psycopg.Connection[Any]) -> None:
    """Let *connection* take both arrays as parameters."""
    connection.adapters.register_dumper(Bigints, _BigintsDumper)
    connection.adapters.register_dumper(Texts, _TextsDumper)


def _header(length: int, oid: int) -> bytes:
    return _HEADER.pack(1, 0, oid, length, 1)


class _BigintsDumper(Dumper):
    format = Format.BINARY
    oid = _BIGINTS_OID

    def dump(self, obj: Bigints) -> bytes:
        return obj.packed


class _TextsDumper(Dumper):
    format = Format.BINARY
    oid = _TEXTS_OID

    def dump(self, obj: Texts) -> bytes:
        return obj.packed
