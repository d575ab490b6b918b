"""Parses MessagePack into the same values as JSON, and into bytes and times.

Source: the MessagePack specification.
"""

from datetime import datetime
from typing import Any

import msgspec

MOST_BYTES = 3 << 17  # limit without top-level texts and bytes; a value may need 64 times its size

_fields = msgspec.msgpack.Decoder(dict[Any, msgspec.Raw]).decode
_decode = msgspec.msgpack.Decoder().decode
_LONG = frozenset({0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB})  # type bytes of byte strings and long texts


class TooLarge(ValueError):
    """The values of a body would need too much memory."""


def unpacked(body: bytes) -> object:
    """Return the value of a MessagePack document; the keys of its objects are texts.

    Raises:
        TooLarge: If the value would need too much memory.
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
    """Return the number of bytes in texts and byte strings that are fields of the document."""
    try:
        fields = _fields(body)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return 0
    return sum(len(raw) for raw in map(bytes, fields.values()) if raw[:1] and raw[0] in _LONG)
