"""Normalises and classifies content types."""

import re
from functools import lru_cache

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w.:-]+)\"?", re.IGNORECASE)
# Text encodings besides UTF-8 that clients declare. JSON in UTF-16 needs no declaration.
_CHARSETS = frozenset(
    {"iso-8859-1", "latin-1", "latin1", "iso-8859-15", "windows-1252", "cp1252", "utf-16"}
)
_JSON = frozenset({"", "application/json", "text/json", "application/x-json", "text/x-json"})


PLAIN = frozenset({"", "identity"})  # content encodings that change nothing


def is_plain(content_encoding: str) -> bool:
    """Return whether the body has no content encoding."""
    return not content_encoding or content_encoding.strip().lower() in PLAIN


@lru_cache(maxsize=256)
def media_type(content_type: str) -> str:
    """Return *content_type* without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


@lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Return whether *content_type* is JSON, any ``+json``, or missing."""
    media = media_type(content_type)
    return media in _JSON or media.endswith("+json")


def in_utf8(body: bytes, content_type: str) -> bytes:
    """Return text as UTF-8 if *content_type* declares another known encoding; else *body*."""
    charset = _charset(content_type)
    if not charset:
        return body
    try:
        return body.decode(charset).encode()
    except UnicodeError:
        return body  # the declaration is wrong


def without_charset(content_type: str) -> str:
    """Return *content_type* without its charset."""
    return _CHARSET.sub("", content_type) if _charset(content_type) else content_type


@lru_cache(maxsize=256)
def _charset(content_type: str) -> str:
    """Return the declared charset; empty for UTF-8 and unknown charsets."""
    told = _CHARSET.search(content_type)
    name = told.group(1).lower() if told else ""
    return name if name in _CHARSETS else ""
