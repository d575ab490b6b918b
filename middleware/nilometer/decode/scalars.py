"""Text that stands for a number, a truth or nothing: forms, queries and CSV know no types."""

import re

from nilometer.profile.feature import Cell

# As in JSON, so that a postcode of "01234" stays text.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TRUTHS = {"true": True, "True": True, "false": False, "False": False}
MAX_DIGITS = 400  # of an integer; float64 ends before


def typed(text: str) -> Cell:
    """*text* as a number, a truth, None for empty text, else as it is."""
    if not text:
        return None
    number = _NUMBER.fullmatch(text)
    if number is None:
        return _TRUTHS.get(text, text)
    if number.group(1) or number.group(2) or len(text) > MAX_DIGITS:
        return float(text)
    return int(text)
