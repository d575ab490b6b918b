"""The checksum of a stored row: CRC32C of the name of its table, its id and all its columns.

A row that was damaged, or that stands in another place than where it was put, fails it.
"""

from collections.abc import Sequence

import google_crc32c
import msgspec


def checksum(table: str, identity: int, columns: Sequence[object]) -> int:
    """CRC32C of a row: of its table, its id and all its columns."""
    *head, tail = columns
    if isinstance(tail, bytes):  # a payload is not copied
        return int(google_crc32c.extend(_packed(table, identity, head), tail))
    return _packed(table, identity, columns)


def intact(table: str, identity: int, crc: object, columns: Sequence[object]) -> bool:
    """Whether a stored row is what was stored; rot may change even the type of a column."""
    try:
        return crc == checksum(table, identity, columns)
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
        return False


def _packed(table: str, identity: int, columns: Sequence[object]) -> int:
    return int(google_crc32c.value(msgspec.msgpack.encode((table, identity, *columns))))
