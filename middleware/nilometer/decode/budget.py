"""Limits the memory of a decoded body, estimated from its bytes before it is decoded.

One byte of JSON becomes up to 30 bytes of Python objects, so a limit on bytes is not enough. The
estimate counts separators, because every value needs one.
"""

from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAX_BODY_CELLS = 1 << 18  # most cells of one body
MAX_BODY_ROWS = 1 << 16  # most rows of a body whose rows become objects or lists
MAX_BODY_WEIGHT = 24 << 20  # most memory of the Python objects of one body
UNCOUNTED_BYTES = 16 << 10  # smaller bodies are not checked, because they need at most 1 MiB

# Memory in CPython that one separator indicates, in bytes, rounded up.
_VALUE = 40  # a number, or a short string, with its entry in a list
_LIST = 88
_OBJECT = 240
_BYTE = 4  # most bytes that Python needs for one byte of text


def weight_of(body: bytes) -> int:
    """Return an upper estimate of the memory of the decoded *body*, in bytes.

    The estimate is made for text. Packed numbers need less memory.
    """
    return (
        _BYTE * len(body)
        + _VALUE * body.count(b",")
        + _LIST * body.count(b"[")
        + _OBJECT * body.count(b"{")
    )


def check_text(body: bytes) -> None:
    """Refuse JSON, or lines of JSON, that would need too much memory.

    Raises:
        Undecodable: ``too_large`` over `MAX_BODY_CELLS` values or `MAX_BODY_WEIGHT` bytes.
    """
    if len(body) <= UNCOUNTED_BYTES:
        return
    values = body.count(b",") + body.count(b"[") + body.count(b"{")
    if values > MAX_BODY_CELLS or weight_of(body) > MAX_BODY_WEIGHT:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)


def check_lines(body: bytes) -> None:
    """Refuse a text with one row per line that has too many rows.

    Raises:
        Undecodable: ``too_large`` over `MAX_BODY_ROWS` lines, or if `check_text` refuses it.
    """
    if max(body.count(b"\n"), body.count(b"\r")) > MAX_BODY_ROWS:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)
    check_text(body)


def check_rows(rows: int) -> None:
    """Refuse too many *rows*, each of which would become an object.

    Raises:
        Undecodable: ``too_large`` over `MAX_BODY_ROWS`.
    """
    if rows > MAX_BODY_ROWS:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)


def check_cells(cells: int) -> None:
    """Refuse a table with too many *cells*.

    Raises:
        Undecodable: ``too_large`` over `MAX_BODY_CELLS`.
    """
    if cells > MAX_BODY_CELLS:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)
