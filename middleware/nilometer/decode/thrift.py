"""Reads structures of Thrift's compact protocol; fields are identified by number.

Source: Apache Thrift, "Compact protocol".
"""

from typing import TypeAlias

MAX_DEPTH = 12
MAX_ITEMS = 1 << 16  # items of one list
_TRUE, _FALSE = 1, 2

Value: TypeAlias = "int | bytes | list[Value] | Struct | None"  # None stands for a float
Struct: TypeAlias = dict[int, Value]


def read_struct(body: bytes, at: int, depth: int = 0) -> tuple[Struct, int]:
    """Return the structure at position *at* of *body*, and the position after it.

    Raises:
        ValueError: If the structure is nested too deeply, or contains an unknown type.
        IndexError: If the structure ends after *body*.
    """
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    found: Struct = {}
    field = 0
    while mark := body[at]:
        at += 1
        kind, step = mark & 0x0F, mark >> 4
        if step:
            field += step
        else:
            field, at = _signed(body, at)
        if kind in {_TRUE, _FALSE}:
            found[field] = int(kind == _TRUE)
        else:
            found[field], at = _read(body, at, kind, depth)
    return found, at + 1


def _read(body: bytes, at: int, kind: int, depth: int) -> tuple[Value, int]:
    match kind:
        case 1 | 2 | 3:  # including a boolean in a list
            return body[at], at + 1
        case 4 | 5 | 6:
            return _signed(body, at)
        case 7:
            return None, at + 8
        case 8:
            size, at = _varint(body, at)
            return body[at : at + size], at + size
        case 9 | 10:
            return _list(body, at, depth)
        case 12:
            return read_struct(body, at, depth + 1)
        case _:
            raise ValueError("a map, or an unknown type")


def _list(body: bytes, at: int, depth: int) -> tuple[list[Value], int]:
    count, kind = body[at] >> 4, body[at] & 0x0F
    at += 1
    if count == 0x0F:
        count, at = _varint(body, at)
    if count > MAX_ITEMS or depth > MAX_DEPTH:
        raise ValueError("too large")
    items: list[Value] = []
    for _ in range(count):
        item, at = _read(body, at, kind, depth + 1)
        items.append(item)
    return items, at


def _varint(body: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _signed(body: bytes, at: int) -> tuple[int, int]:
    number, at = _varint(body, at)
    return (number >> 1) ^ -(number & 1), at
