"""A bounded reader of protobuf's wire format, for messages whose few fields we know.

No generated module: a server's own client has registered the same public messages in the one pool
of the process, and a second definition is an error there; and a reader of views copies no tensor.

Source: protobuf.dev, "Encoding".
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from nilometer.decode.budget import check_cells
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAX_FIELDS = 1 << 15  # of one message, each element of a repeated one
MAX_DIMENSIONS = 32  # of a tensor
VARINTS_AT_ONCE = 64 << 10  # bytes: each takes some fifty while its number is made
_MAX_VARINT = 10  # bytes


class Wire(IntEnum):
    """How a field's value stands on the wire; groups are not read."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


Field = tuple[int, int, memoryview]  # number, wire type, the bytes of its value


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of *message* in their order.

    Raises:
        Undecodable: ``malformed``, or ``too_large`` past `MAX_FIELDS`.
    """
    at, end, seen = 0, len(message), 0
    while at < end:
        seen += 1
        if seen > MAX_FIELDS:
            raise Undecodable(UndecodableReason.TOO_LARGE.value)
        key, at = _varint(message, at)
        start = at
        match key & 7:
            case Wire.VARINT:
                _, at = _varint(message, at)
            case Wire.FIXED64:
                at += 8
            case Wire.BYTES:
                size, start = _varint(message, at)
                at = start + size
            case Wire.FIXED32:
                at += 4
            case _:
                raise Undecodable(UndecodableReason.MALFORMED.value)
        if at > end:
            raise Undecodable(UndecodableReason.MALFORMED.value)
        yield key >> 3, key & 7, message[start:at]


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number at *at*, and where the next thing begins."""
    value = 0
    for shift, octet in enumerate(message[at : at + _MAX_VARINT]):
        value |= (octet & 0x7F) << (7 * shift)
        if octet < 0x80:
            return value, at + shift + 1
    raise Undecodable(UndecodableReason.MALFORMED.value)


def varints(packed: bytes) -> NDArray[np.uint64]:
    """The numbers of a packed field, shape (n,), 64 bits each.

    Raises:
        Undecodable: If the last is cut off, one is too long, or there are too many.
    """
    octets = np.frombuffer(packed, np.uint8)
    if octets.size <= VARINTS_AT_ONCE:
        return _numbers(octets)
    check_cells(int(np.count_nonzero(octets < 0x80)))
    parts = []
    while octets.size:
        last = np.flatnonzero(octets[:VARINTS_AT_ONCE] < 0x80)[-1:]
        if not last.size:
            raise Undecodable(UndecodableReason.MALFORMED.value)
        end = int(last[0]) + 1
        parts.append(_numbers(octets[:end]))
        octets = octets[end:]
    return np.concatenate(parts)


def _numbers(octets: NDArray[np.uint8]) -> NDArray[np.uint64]:
    ends = np.flatnonzero(octets < 0x80)
    if not octets.size:
        return octets.astype(np.uint64)
    if not ends.size or ends[-1] != octets.size - 1:
        raise Undecodable(UndecodableReason.MALFORMED.value)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _MAX_VARINT:
        raise Undecodable(UndecodableReason.MALFORMED.value)
    places = np.arange(octets.size) - np.repeat(starts, lengths)
    parts = (octets & 0x7F).astype(np.uint64) << (7 * places).astype(np.uint64)
    return np.asarray(np.bitwise_or.reduceat(parts, starts))


def text(value: memoryview) -> str:
    """A string field.

    Raises:
        Undecodable: If it is not UTF-8.
    """
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error


def sizes(parts: Sequence[memoryview]) -> list[int]:
    """A repeated int64 field, packed or not.

    Raises:
        Undecodable: If one is negative or cut off, or if there are over `MAX_DIMENSIONS`.
    """
    if sum(map(len, parts)) > MAX_DIMENSIONS * _MAX_VARINT:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    found: list[int] = varints(b"".join(parts)).tolist()
    if len(found) > MAX_DIMENSIONS or any(size >= 1 << 63 for size in found):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return found
