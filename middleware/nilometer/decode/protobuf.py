"""Reads protobuf's wire format within limits, for messages with few known fields.

Generated modules cannot be used: a client inside the server may register the same messages, and
protobuf refuses a second definition in one process. In addition, this reader copies no tensors,
because it returns memory views.

Source: protobuf.dev, "Encoding".
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from nilometer.decode.budget import check_cells
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAX_FIELDS = 1 << 15  # most fields of one message; each element of a repeated field counts
MAX_DIMENSIONS = 32  # dimensions of a tensor
VARINTS_AT_ONCE = 64 << 10  # bytes decoded together; each byte needs about 50 bytes of memory
_MAX_VARINT = 10  # longest varint, in bytes


class Wire(IntEnum):
    """Wire type of a field, without the deprecated groups."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


Field = tuple[int, int, memoryview]  # number, wire type, and bytes of the value


def fields(message: memoryview) -> Iterator[Field]:
    """Yield the fields of *message* in order.

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
    """Return the number that starts at *at*, and the position after it."""
    value = 0
    for shift, octet in enumerate(message[at : at + _MAX_VARINT]):
        value |= (octet & 0x7F) << (7 * shift)
        if octet < 0x80:
            return value, at + shift + 1
    raise Undecodable(UndecodableReason.MALFORMED.value)


def varints(packed: bytes) -> NDArray[np.uint64]:
    """Return the numbers of a packed field, shape (n,), 64 bits each.

    Raises:
        Undecodable: If the last number is cut off, a number is too long, or there are too many.
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
    """Return a string field.

    Raises:
        Undecodable: If it is not valid UTF-8.
    """
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error


def sizes(parts: Sequence[memoryview]) -> list[int]:
    """Return a repeated int64 field, packed or not.

    Raises:
        Undecodable: If a size is negative or cut off, or there are more than `MAX_DIMENSIONS`.
    """
    if sum(map(len, parts)) > MAX_DIMENSIONS * _MAX_VARINT:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    found: list[int] = varints(b"".join(parts)).tolist()
    if len(found) > MAX_DIMENSIONS or any(size >= 1 << 63 for size in found):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return found
