"""Parses JSON as leniently as real clients and servers need.

msgspec parses first. If it refuses a body, Python's own parser is tried, because real servers send
NaN, Infinity, integers of hundreds of digits, a byte order mark and UTF-16.
"""

import json
import re

import msgspec

_decode = msgspec.json.Decoder().decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_STARTS = frozenset({b"{", b"["})
_AFTER_MARK = re.compile(rb"(?:\xef\xbb\xbf\s*|\xff\xfe|\xfe\xff\x00)[{\[]")
_MARKED = frozenset({b"\xef", b"\xff", b"\xfe"})  # first bytes of byte order marks


def begins_like_json(body: bytes) -> bool:
    """Return whether *body* begins like a JSON object or list, also after a byte order mark."""
    start = body.lstrip()[:1]
    return start in _STARTS or (start in _MARKED and _AFTER_MARK.match(body) is not None)


def parsed(text: bytes | str) -> object:
    """Return the value of a JSON document.

    Raises:
        ValueError: If *text* is not JSON, or nested too deeply.
    """
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        pass
    try:
        value: object = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def ends_of_items(text: bytes) -> list[int] | None:
    """Return the end of each item of a JSON list, in bytes from the start of *text*.

    Returns:
        Places, ascending; None if *text* is no list in UTF-8.
    """
    try:
        items = _items(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    ends: list[int] = []
    end = 0
    for item in map(bytes, items):
        end = text.index(item, end) + len(item)  # only space and a comma are before it
        ends.append(end)
    return ends
