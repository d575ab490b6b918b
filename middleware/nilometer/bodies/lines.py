"""Splits newline-delimited JSON and tables of text into lines."""

from io import StringIO

_RECORD_SEPARATOR = b"\x1e"  # separator of JSON text sequences, RFC 7464


def begins_like_lines(body: bytes) -> bool:
    """Return whether *body* begins like a JSON object and has more than one line."""
    return body.lstrip().startswith(b"{") and b"\n" in body


def lines(body: bytes) -> list[bytes]:
    """Return the lines of *body* without white space and record separators; some may be empty."""
    return [line.strip(b" \t\r" + _RECORD_SEPARATOR) for line in body.split(b"\n")]


def text_lines(text: str) -> list[str]:
    """Return the lines of a table, with their ends.

    `str.splitlines` also splits at characters that are part of a cell, such as U+2028.
    """
    return [*StringIO(text, newline="")]
