"""Parses JSON to Python values, within memory limits and as leniently as real servers.

msgspec parses first. If it refuses a body, Python's own parser is tried, because real servers send
NaN, Infinity and integers of hundreds of digits.
"""

import json

import msgspec

from nilometer.decode.budget import check_text
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

_decode = msgspec.json.Decoder().decode
_STARTS = frozenset({b"{", b"["})


def begins_like_json(body: bytes) -> bool:
    """Return whether *body* begins like a JSON object or list."""
    return body.lstrip()[:1] in _STARTS


def from_json(body: bytes) -> Cell:
    """Return the value of a JSON document.

    Raises:
        Undecodable: ``malformed``, or ``too_large`` if the value would need too much memory.
    """
    check_text(body)
    try:
        value: Cell = _decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return _lenient(body)
    return value


def _lenient(body: bytes) -> Cell:
    try:
        value: Cell = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    return value
