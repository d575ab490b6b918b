"""What agents and collectors of an earlier version sent each other, and the same from a newer version."""

from pathlib import Path
from typing import TypeVar

from google.protobuf.message import Message

RECORDED = Path(__file__).parents[1] / "wire" / "recorded"
VERSIONS = sorted(folder.name for folder in RECORDED.iterdir())
UNKNOWN = b"\xf8\x07\x2a"  # field 127, which no message has, a varint of 42

M = TypeVar("M", bound=Message)


def recorded(version: str, name: str) -> bytes:
    """Return the bytes of a message of *version*."""
    return (RECORDED / version / f"{name}.bin").read_bytes()


def as_newer(message: M) -> M:
    """Add a field that only a newer version knows to *message* and to each message in it."""
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for inner in [value] if isinstance(value, Message) else value:
            as_newer(inner)
    message.MergeFromString(UNKNOWN)
    return message
