"""Parses protobuf messages; every error is a ValueError."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

M = TypeVar("M", bound=Message)


def parsed(kind: type[M], packed: bytes) -> M:
    """Return the message in *packed*.

    Raises:
        ValueError: If the bytes are not a valid message of this type.
    """
    try:
        return kind.FromString(packed)
    except DecodeError as error:
        raise ValueError(f"not a {kind.DESCRIPTOR.name} of nilometer.v1: {error}") from error
