"""Parses JSON to Python values, within memory limits."""

from nilometer.bodies.json_text import parsed
from nilometer.decode.budget import check_text
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason


def from_json(body: bytes) -> Cell:
    """Return the value of a JSON document.

    Raises:
        Undecodable: ``malformed``, or ``too_large`` if the value would need too much memory.
    """
    check_text(body)
    try:
        return parsed(body)
    except ValueError as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
