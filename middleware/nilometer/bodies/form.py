"""Splits forms and query strings into fields.

Source: WHATWG URL, "application/x-www-form-urlencoded".
"""

import re
from urllib.parse import parse_qsl, unquote_plus

MAX_FIELDS = 10_000  # fields of one form, with repetitions
_NO_NAME = re.compile(r"[\x00-\x1f{}\"<>\x7f\ufffd]")  # of other formats that are declared as forms


def is_form(text: str) -> bool:
    """Return whether *text* is a form: each field has a value, and no name has quotes."""
    for piece in text.split("&", MAX_FIELDS):
        name, found, _ = piece.partition("=")
        if (piece and not (found and name)) or _NO_NAME.search(unquote_plus(name)):
            return False
    return True


def fields(text: str) -> list[tuple[str, str]]:
    """Return the names and the values of the fields in *text*, in order.

    Raises:
        ValueError: If there are more than `MAX_FIELDS` fields.
    """
    return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
