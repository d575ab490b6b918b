"""What the worker socket takes: a batch that is within bounds, or the reason why not.

A message is looked at before it is parsed, because two bytes of an empty sub-message become some
eighty of memory; then its fields are, because one number that the outbox cannot store would keep
everything that is committed with it from being stored, for ever.

What breaks the contract ends its stream with INVALID_ARGUMENT and is not acknowledged. Observations
inside of a batch are another matter: they are another program's data, and `Engine` books those that
cannot be read as `malformed_batch`.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError

from nilometer.entity import entity_name
from nilometer.errors import ConfigError
from nilometer.labels import Labels
from nilometer.wire.services import CaptureBatch

MAX_MESSAGES = 100_000  # inside of one batch: about 8 MiB once they are parsed
UNCOUNTED_BYTES = 64 << 10  # a message of so few bytes cannot hold that many
MAX_WORKER_BYTES = 64
MAX_LABELS = 64
MAX_SEQUENCE = (1 << 63) - 1  # what a column of the outbox holds
MAX_TIME_NS = 1 << 62  # the year 2116
MAX_LOST = 1 << 48  # observations in one batch: sums over a window stay far from 2 ** 63

# Wire types: https://protobuf.dev/programming-guides/encoding
VARINT, DELIMITED = 0, 2
FIXED = {1: 8, 5: 4}  # bytes of the others; the ends of a group have none
MAX_VARINT_BYTES = 10

_Part: TypeAlias = tuple[int, int, Any]  # start, end, type


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message was not taken, in words for who sent it."""

    reason: str


def taken(content: bytes) -> CaptureBatch | Refusal:
    """The batch in *content*, or why it is not taken. Never raises."""
    if len(content) > UNCOUNTED_BYTES and not _is_lean(content):
        return Refusal(f"a batch may hold {MAX_MESSAGES} messages: send fewer partials at once")
    try:
        batch = CaptureBatch.FromString(content)
    except DecodeError as error:
        return Refusal(f"not a CaptureBatch of nilometer.v1: {error}")
    reason = _wrong(batch)
    return Refusal(f"batch {batch.sequence}: {reason}") if reason else batch


def _wrong(batch: CaptureBatch) -> str:
    """What is wrong with a batch; empty where nothing is."""
    if not 1 <= len(batch.worker) <= MAX_WORKER_BYTES:
        return (
            f"worker has {len(batch.worker)} bytes: name each process by 1 to {MAX_WORKER_BYTES}, "
            "such as 16 random ones"
        )
    if not 1 <= batch.sequence <= MAX_SEQUENCE:
        return "sequence must count 1, 2, 3 ..., below 2 ** 63"
    if batch.dropped_unix_nano > MAX_TIME_NS:
        return f"dropped_unix_nano = {batch.dropped_unix_nano}: must be Unix nanoseconds"
    if sum(batch.dropped.values()) > MAX_LOST:
        return f"dropped: over {MAX_LOST} observations"
    if len(batch.labels) > MAX_LABELS:
        return f"{len(batch.labels)} labels: at most {MAX_LABELS}"
    try:
        entity_name(batch.entity)
        Labels.of(dict(batch.labels))
    except ConfigError as error:
        return str(error)
    return ""


def _is_lean(content: bytes) -> bool:
    """Whether there are at most `MAX_MESSAGES` messages in an encoded batch, at any depth."""
    found = 0
    waiting: list[_Part] = [(0, len(content), CaptureBatch.DESCRIPTOR)]
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
