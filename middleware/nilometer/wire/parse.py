"""Parses protobuf messages, with one kind of error."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

M = TypeVar("M", bound=Message)


def parsed(kind: type[M], packed: bytes) -> M:
    """Return the message in *packed*.

    Raises:
        ValueError: If the bytes are not such a message.
    """
    try:
        return kind.FromString(packed)
    except DecodeError as error:
        raise ValueError(f"not a {kind.DESCRIPTOR.name} of nilometer.v1: {error}") from error
