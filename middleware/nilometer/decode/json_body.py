"""JSON bytes to Python values, strictly bounded and as lenient as the servers in the field.

msgspec is tried first; what it refuses and Python's own parser takes - NaN, Infinity, integers
of hundreds of digits - is taken too, because plain servers send them.
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
    """Whether *body* begins like a JSON object or list."""
    return body.lstrip()[:1] in _STARTS


def from_json(body: bytes) -> Cell:
    """The value of a JSON document.

    Raises:
        Undecodable: If it is malformed, or ``too_large`` once it is read.
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
