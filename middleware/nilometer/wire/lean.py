"""Counts the messages in encoded bytes before they are parsed.

Two bytes of an empty sub-message become some eighty of memory, so a bound on bytes alone bounds
little.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeAlias

from google.protobuf.message import Message

MAX_MESSAGES = 100_000  # inside of one: about 8 MiB once they are parsed
UNCOUNTED_BYTES = 64 << 10  # a message of so few bytes cannot hold that many

# Wire types: https://protobuf.dev/programming-guides/encoding
VARINT, DELIMITED = 0, 2
FIXED = {1: 8, 5: 4}  # bytes of the others; the ends of a group have none
MAX_VARINT_BYTES = 10

_Part: TypeAlias = tuple[int, int, Any]  # start, end, type


def is_lean(content: bytes, kind: type[Message], uncounted: int = UNCOUNTED_BYTES) -> bool:
    """Whether there are at most `MAX_MESSAGES` messages in an encoded *kind*, at any depth.

    Content of at most *uncounted* bytes is not counted. Never raises.
    """
    if len(content) <= uncounted:
        return True
    found = 0
    waiting: list[_Part] = [(0, len(content), kind.DESCRIPTOR)]
    while waiting:
        for part in _messages_in(content, *waiting.pop()):
            found += 1
            if found > MAX_MESSAGES:
                return False
            waiting.append(part)
    return True


def _messages_in(content: bytes, at: int, end: int, kind: Any) -> Iterator[_Part]:
    """Where the messages directly inside of one stand, and of what type they are.

    Ends early where the bytes are cut off or no message: the parser will say so. What stands in a
    group, which nobody sends, is told as if it stood beside it.
    """
    inner = {field.number: field.message_type for field in kind.fields if field.message_type}
    with suppress(IndexError):
        while at < end:
            key, at = _varint(content, at)
            wire_type = key & 7
            if wire_type == DELIMITED:
                size, at = _varint(content, at)
                if key >> 3 in inner:
                    yield at, min(at + size, end), inner[key >> 3]
                at += size
            elif wire_type == VARINT:
                _, at = _varint(content, at)
            else:
                at += FIXED.get(wire_type, 0)


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(MAX_VARINT_BYTES):
        byte = content[at + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    raise IndexError(at)
