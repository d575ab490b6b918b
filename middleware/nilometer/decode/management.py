"""Recognises requests that prepare or manage something on a known server, by path and body.

The path alone does not tell: an application may have a model of its own on ``/tokenize`` or on
``/v1/batches``. So a request is such a call only if its body also has the form that the API
documents. A GET has its fields in the query, and so have some calls without a body. A request with any other body or query that a decoder
takes is a prediction, as on other paths.
"""

import re
from functools import lru_cache

from nilometer.bodies.form import fields
from nilometer.bodies.json_text import parsed
from nilometer.bodies.media import in_utf8, media_type
from nilometer.bodies.multipart import parts
from nilometer.decode.management_call import Call
from nilometer.decode.management_calls import CALLS
from nilometer.decode.probes import BODYLESS
from nilometer.values.errors import Undecodable

_MULTIPART = "multipart/form-data"


@lru_cache(maxsize=1024)
def may_manage(method: str, path: str) -> bool:
    """Return whether a request may be such a call; its body or its query tells."""
    return _call_at(method, path) is not None


def told_by_query(method: str, path: str) -> bool:
    """Return whether the query tells whether a request without a body is such a call."""
    call = _call_at(method, path)
    return method in BODYLESS or (call is not None and call.in_query)


def managed(method: str, path: str, body: bytes | None, content_type: str, query: str = "") -> str:
    """Return what a call does that prepares or manages something; empty if it is no such call.

    Args:
        method: HTTP method.
        path: Path below the root path.
        body: Body without its content encoding. None if it is not known: such a request counts as
            a call, because nothing shows that it has rows.
        content_type: Declared content type; may be empty.
        query: Query of the URL; looked at only if `told_by_query` and without a body.
    """
    call = _call_at(method, path)
    if call is None:
        return ""
    if not body:
        in_query = told_by_query(method, path)
        return call.does if not in_query or call.takes(_fields(query)) else ""
    if call.in_query:
        return ""
    if media_type(content_type) == _MULTIPART:
        return call.does if {*call.parts.split()} & _names(body, content_type) else ""
    return call.does if call.takes(_value(body, content_type)) else ""


@lru_cache(maxsize=1024)
def _call_at(method: str, path: str) -> Call | None:
    path = path.rstrip("/")
    return next(
        (call for call in CALLS if call.method == method and re.fullmatch(call.path, path)), None
    )


def _fields(query: str) -> dict[str, str] | None:
    """Return the fields of *query*; None if they are too many."""
    try:
        return dict(fields(query))
    except ValueError:
        return None


def _value(body: bytes, content_type: str) -> object:
    """Return the value of a JSON document; None if it is none."""
    try:
        return parsed(in_utf8(body, content_type))
    except ValueError:
        return None


def _names(body: bytes, content_type: str) -> frozenset[str]:
    """Return the names of the parts of a form; empty if it cannot be read."""
    try:
        return frozenset(part.name for part in parts(body, content_type))
    except Undecodable:
        return frozenset()
