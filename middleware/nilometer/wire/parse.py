"""Bytes to protobuf messages, with one kind of error."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

M = TypeVar("M", bound=Message)


def parsed(kind: type[M], packed: bytes) -> M:
    """The message in *packed*.

    Raises:
        ValueError: If the bytes are not one.
    """
    try:
        return kind.FromString(packed)
    except DecodeError as error:
        raise ValueError(f"not a {kind.DESCRIPTOR.name} of nilometer.v1: {error}") from error
