"""The checksum of a stored row: CRC32C of the name of its table, its id and all its columns.

A row fails the check if it is damaged or if it is in another table or under another id.
"""

from collections.abc import Sequence

import google_crc32c
import msgspec


def checksum(table: str, identity: int, columns: Sequence[object]) -> int:
    """Return the CRC32C of a row: of its table, its id and all its columns."""
    *head, tail = columns
    if isinstance(tail, bytes):  # avoids a copy of the payload
        return int(google_crc32c.extend(_packed(table, identity, head), tail))
    return _packed(table, identity, columns)


def intact(table: str, identity: int, crc: object, columns: Sequence[object]) -> bool:
    """Return whether a row is undamaged; damage may change even the type of a column."""
    try:
        return crc == checksum(table, identity, columns)
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
        return False


def _packed(table: str, identity: int, columns: Sequence[object]) -> int:
    return int(google_crc32c.value(msgspec.msgpack.encode((table, identity, *columns))))
