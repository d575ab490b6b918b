"""Counts the messages in encoded bytes without parsing them.

An empty sub-message of two bytes takes about eighty bytes of memory after parsing. So a limit on
the number of bytes is not enough.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeAlias

from google.protobuf.message import Message

from nilometer.v1.summary_pb2 import SummarySample

MAX_MESSAGES = 100_000  # most messages inside one message; parsed, they need about 8 MiB
MAX_FIELDS = 1000  # most fields that are read in a search for one field
UNCOUNTED_BYTES = 64 << 10  # a message of this size cannot contain too many

# Wire types: https://protobuf.dev/programming-guides/encoding
VARINT, DELIMITED = 0, 2
FIXED = {1: 8, 5: 4}  # sizes of the other types; the end of a group has no content
MAX_VARINT_BYTES = 10

_Part: TypeAlias = tuple[int, int, Any]  # start, end, type


def is_lean(content: bytes, kind: type[Message], uncounted: int = UNCOUNTED_BYTES) -> bool:
    """Return whether an encoded *kind* contains at most `MAX_MESSAGES` messages, at any depth.

    Content of at most *uncounted* bytes is not examined. The function never raises.
    """
    return (
        len(content) <= uncounted
        or _most_messages(content, kind) <= MAX_MESSAGES
        or _messages(content, kind, MAX_MESSAGES) <= MAX_MESSAGES
    )


def are_lean_samples(samples: Sequence[bytes]) -> bool:
    """Return whether encoded ``SummarySample`` messages contain at most `MAX_MESSAGES` in total."""
    if sum(map(len, samples)) <= UNCOUNTED_BYTES:
        return True
    found = 0
    for sample in samples:
        found += 1 + _messages(sample, SummarySample, MAX_MESSAGES - found)
        if found > MAX_MESSAGES:
            return False
    return True


def number_in(content: bytes, field: int) -> int:
    """Return a numeric field of an encoded message without parsing the message.

    The result is 0 if the field is not among the first `MAX_FIELDS` fields.

    Args:
        content: Encoded message.
        field: Field number of a varint at the top level of the message.
    """
    at = 0
    with suppress(IndexError):
        for _ in range(MAX_FIELDS):
            key, at = _varint(content, at)
            wire_type = key & 7
            if wire_type == DELIMITED:
                size, at = _varint(content, at)
                at += size
            elif wire_type == VARINT:
                number, at = _varint(content, at)
                if key >> 3 == field:
                    return number
            else:
                at += FIXED.get(wire_type, 0)
    return 0


def _most_messages(content: bytes, kind: type[Message]) -> int:
    """Return an upper bound of the number of messages in an encoded *kind*, in one pass.

    The bound is the number of bytes with which the field of a message can start.
    """
    return len(content) - len(content.translate(None, _first_bytes(kind.DESCRIPTOR)))


@lru_cache(maxsize=64)
def _first_bytes(kind: Any) -> bytes:
    """Return the first bytes of all fields that are messages, in *kind* or in a message in it."""
    found: set[int] = set()
    seen, waiting = {kind.full_name}, [kind]
    while waiting:
        for number, inner in _inner(waiting.pop()).items():
            first = (number << 3 | DELIMITED) & 0x7F
            found |= {
                first,
                first | 0x80,
            }  # a decoder also accepts keys that are longer than needed
            if inner.full_name not in seen:
                seen.add(inner.full_name)
                waiting.append(inner)
    return bytes(sorted(found))


@lru_cache(maxsize=256)
def _inner(kind: Any) -> Mapping[int, Any]:
    """Return the types of the fields that are messages, by field number."""
    return {field.number: field.message_type for field in kind.fields if field.message_type}


def _messages(content: bytes, kind: type[Message], most: int) -> int:
    """Count the messages in an encoded *kind*, at any depth, up to *most* + 1."""
    found = 0
    waiting: list[_Part] = [(0, len(content), kind.DESCRIPTOR)]
    while waiting:
        for part in _messages_in(content, *waiting.pop()):
            found += 1
            if found > most:
                return found
            if _inner(part[2]):
                waiting.append(part)
    return found


def _messages_in(content: bytes, at: int, end: int, kind: Any) -> Iterator[_Part]:
    """Yield the position and the type of each direct sub-message.

    The function ends early if the bytes are cut off or invalid, because the parser reports that.
    Groups are not used; a message inside a group is reported like one outside.
    """
    inner = _inner(kind)
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
