"""Parses MessagePack to the values that JSON has, and bytes and times.

Source: the MessagePack specification.
"""

from datetime import datetime
from typing import Any

import msgspec

MOST_BYTES = 3 << 17  # of values beside texts and bytes at the top: each may need 64 times as much

_fields = msgspec.msgpack.Decoder(dict[Any, msgspec.Raw]).decode
_decode = msgspec.msgpack.Decoder().decode
_LONG = frozenset({0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB})  # marks of bytes and of longer texts


class TooLarge(ValueError):
    """The values of a body would need too much memory."""


def unpacked(body: bytes) -> object:
    """Return the value of a MessagePack document; keys of objects are texts.

    Raises:
        TooLarge: If it would need too much memory.
        ValueError: If *body* is not MessagePack, is nested too deeply, or has other values.
    """
    if len(body) > MOST_BYTES and len(body) - _long_bytes(body) > MOST_BYTES:
        raise TooLarge("too many values")
    try:
        return msgspec.to_builtins(_decode(body), str_keys=True, builtin_types=(bytes, datetime))
    except (msgspec.MsgspecError, RecursionError, TypeError, OverflowError) as error:
        raise ValueError(str(error)) from error


def packed(value: object) -> bytes:
    """Return *value* as MessagePack."""
    return msgspec.msgpack.encode(value)


def _long_bytes(body: bytes) -> int:
    """Return the number of bytes in texts and bytes that are fields of the document."""
    try:
        fields = _fields(body)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return 0
    return sum(len(raw) for raw in map(bytes, fields.values()) if raw[:1] and raw[0] in _LONG)
