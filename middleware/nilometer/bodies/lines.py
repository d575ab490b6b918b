"""Splits newline-delimited JSON into its lines."""

_RECORD_SEPARATOR = b"\x1e"  # separator of JSON text sequences, RFC 7464


def begins_like_lines(body: bytes) -> bool:
    """Return whether *body* begins like a JSON object and has more than one line."""
    return body.lstrip().startswith(b"{") and b"\n" in body


def lines(body: bytes) -> list[bytes]:
    """Return the lines of *body* without white space and record separators; some may be empty."""
    return [line.strip(b" \t\r" + _RECORD_SEPARATOR) for line in body.split(b"\n")]
