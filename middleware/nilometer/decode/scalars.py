"""Converts text to typed values, because forms, query strings and CSV have no types."""

import re

from nilometer.profile.feature import Cell

# Numbers as JSON writes them, so that a postcode such as "01234" and a phone number such as "+49123"
# stay text; also ".5" and "1.", as statistics programs write them.
_NUMBER = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(\.[0-9]*)?|(\.[0-9]+))([eE][+-]?[0-9]+)?")
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
MAX_DIGITS = 400  # most digits of an integer; more digits overflow float64


def typed(text: str) -> Cell:
    """Return *text* as a number or a boolean if it is one, None if it is empty, else unchanged."""
    if not text:
        return None
    number = _NUMBER.fullmatch(text)
    if number is None:
        return _TRUTHS.get(text, text)
    if any(number.groups()) or len(text) > MAX_DIGITS:
        return float(text)
    return int(text)
