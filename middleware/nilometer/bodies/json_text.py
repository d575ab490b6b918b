"""Parses JSON as leniently as real clients and servers need.

msgspec parses first. If it refuses a body, Python's own parser is tried, because real servers send
NaN, Infinity, integers of hundreds of digits, a byte order mark and UTF-16.
"""

import json

import msgspec

_decode = msgspec.json.Decoder().decode
_STARTS = frozenset({b"{", b"["})


def begins_like_json(body: bytes) -> bool:
    """Return whether *body* begins like a JSON object or list."""
    return body.lstrip()[:1] in _STARTS


def parsed(text: bytes | str) -> object:
    """Return the value of a JSON document.

    Raises:
        ValueError: If *text* is not JSON, or nested too deeply.
    """
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        pass
    try:
        value: object = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value
