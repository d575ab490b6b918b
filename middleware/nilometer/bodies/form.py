"""Splits forms and query strings into fields.

Source: WHATWG URL, "application/x-www-form-urlencoded".
"""

from urllib.parse import parse_qsl

MAX_FIELDS = 10_000  # fields of one form, with repetitions


def fields(text: str) -> list[tuple[str, str]]:
    """Return the names and the values of the fields in *text*, in order.

    Raises:
        ValueError: If there are more than `MAX_FIELDS` fields.
    """
    return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
