"""What a body may become in memory, estimated from its bytes before anything is made of them.

One byte of JSON becomes up to 30 bytes of Python objects, so a cap on bytes alone bounds little.
Separators are counted instead: a value needs one, whatever it is.
"""

from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAX_BODY_CELLS = 1 << 18  # of one body
MAX_BODY_ROWS = 1 << 16  # that become an object or a list each
MAX_BODY_WEIGHT = 24 << 20  # bytes of Python objects that one body may become
UNCOUNTED_BYTES = 16 << 10  # a body of so few bytes weighs at most 1 MiB

# Bytes in CPython of what a separator stands for, rounded up.
_VALUE = 40  # a number, a short string, and its place in a list
_LIST = 88
_OBJECT = 240
_BYTE = 4  # of text, at its widest


def weight_of(body: bytes) -> int:
    """Bytes that *body* may weigh once it is decoded, for a budget: an estimate from above.

    It is meant for text. Numbers that are packed weigh less than what is estimated here.
    """
    return (
        _BYTE * len(body)
        + _VALUE * body.count(b",")
        + _LIST * body.count(b"[")
        + _OBJECT * body.count(b"{")
    )


def check_text(body: bytes) -> None:
    """Refuse JSON, or lines of it, that would become too much.

    Raises:
        Undecodable: ``too_large`` over `MAX_BODY_CELLS` values or `MAX_BODY_WEIGHT` bytes.
    """
    if len(body) <= UNCOUNTED_BYTES:
        return
    values = body.count(b",") + body.count(b"[") + body.count(b"{")
    if values > MAX_BODY_CELLS or weight_of(body) > MAX_BODY_WEIGHT:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)


def check_lines(body: bytes) -> None:
    """Refuse a text of which each line becomes a row, where there would be too many.

    Raises:
        Undecodable: ``too_large`` over `MAX_BODY_ROWS` lines, and as `check_text` does.
    """
    if max(body.count(b"\n"), body.count(b"\r")) > MAX_BODY_ROWS:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)
    check_text(body)


def check_rows(rows: int) -> None:
    """Refuse *rows* that would become an object each, where there are too many.

    Raises:
        Undecodable: ``too_large`` over `MAX_BODY_ROWS`.
    """
    if rows > MAX_BODY_ROWS:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)


def check_cells(cells: int) -> None:
    """Refuse a table of too many *cells*.

    Raises:
        Undecodable: ``too_large`` over `MAX_BODY_CELLS`.
    """
    if cells > MAX_BODY_CELLS:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)
