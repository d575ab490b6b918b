"""Parses heads of HTTP/1 messages with llhttp, checks their framing, and edits them as RFC 9110 says.

llhttp (through httptools) is strict. It refuses all forms of request smuggling: content-length with
transfer-encoding, two lengths, folded lines, bare line feeds and control characters. Its events have no
offsets, so it parses heads only. `bodies` follows the bodies.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httptools

from nilometer.capture.headers import content_type_of
from nilometer.values.request_rules import rules_of

HEAD_END = b"\r\n\r\n"
TUNNEL_METHOD = b"CONNECT"

# Options of `Connection` that apply to both connections of a proxy, because both end together.
_OWN_OPTIONS = frozenset({b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings"})
# Fields that a sender must not name in `Connection`; the proxy never removes them.
_END_TO_END = frozenset({b"host", b"content-length", b"transfer-encoding", b"cache-control"})
_VERSIONS = frozenset({"1.0", "1.1"})
_ANY_END = re.compile(rb"\r?\n\r?\n")

Headers = list[tuple[bytes, bytes]]


class Refused(Exception):
    """The client's bytes are not a valid request; it gets *status* and the connection ends."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Unreadable(Exception):
    """The bytes are not of the expected protocol; they are forwarded without observation."""


@dataclass(slots=True)
class RequestHead:
    """The head of a request.

    Attributes:
        method: Method as received.
        target: Target as received.
        headers: Headers with names in lower case, as in ASGI.
        length: Length of the body in bytes; None if it is chunked.
        upgrades: Whether the response may switch the connection to another protocol.
    """

    method: bytes
    target: bytes
    headers: Headers
    length: int | None
    upgrades: bool

    def selected_by(self, rules: tuple[str, ...]) -> bool:
        """Return whether one of *rules* matches, see `nilometer.values.request_rules`."""
        path, _ = path_and_query(self.target)
        content_type = content_type_of(self.headers)
        return bool(rules_of(rules).match(self.method.decode("latin-1"), path, content_type))


@dataclass(slots=True)
class AnswerHead:
    """The head of a response.

    Attributes:
        status: Status code.
        headers: Headers with names in lower case.
        length: Length of the body in bytes; None if chunked, -1 if the end of the connection ends
            it.
    """

    status: int
    headers: Headers
    length: int | None


class _Gathered:
    """Collects the events of llhttp for one head."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: Headers = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True


def head_end(data: bytes, start: int) -> int:
    """Return the end of the head that begins at *start*; -1 while it is incomplete.

    A head with bare line feeds is returned as well, so that llhttp refuses it immediately.
    """
    end = data.find(HEAD_END, start)
    bare = data.find(b"\n\n", start, end if end >= 0 else len(data))
    if bare >= 0 or (end < 0 and data.find(b"\n\r\n", start) >= 0):
        found = _ANY_END.search(data, start)
        return found.end() if found else -1
    return end + len(HEAD_END) if end >= 0 else -1


def request_head(raw: bytes) -> RequestHead:
    """Parse the request head in *raw*, which ends with its empty line.

    Raises:
        Refused: If the head is invalid, so that a server would refuse it.
    """
    gathered = _Gathered()
    parser: Any = httptools.HttpRequestParser(gathered)
    upgrades = False
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        upgrades = True
    except httptools.HttpParserError as error:
        raise Refused(400, str(error) or type(error).__name__) from error
    if not gathered.complete:
        raise Refused(400, "not a valid HTTP request")
    version = parser.get_http_version()
    if version not in _VERSIONS:
        raise Refused(505, f"HTTP/{version} is not supported")
    method = parser.get_method()
    named = [name for name, _ in gathered.headers]
    if named.count(b"host") > 1:
        raise Refused(400, "more than one Host header")
    coding = _values(gathered.headers, b"transfer-encoding")
    lengths = _values(gathered.headers, b"content-length")
    if coding:
        if version != "1.1":
            raise Refused(400, "transfer-encoding needs HTTP/1.1")
        if coding != [b"chunked"]:
            raise Refused(501, "the transfer-encoding must be chunked")
        return RequestHead(method, gathered.target, gathered.headers, None, upgrades)
    length = int(lengths[0]) if lengths else 0
    return RequestHead(method, gathered.target, gathered.headers, length, upgrades)


def answer_head(raw: bytes, method: bytes) -> AnswerHead:
    """Parse the response head in *raw*; *method* is the method of its request.

    Raises:
        Unreadable: If it is not a valid head of a response.
    """
    gathered = _Gathered()
    parser: Any = httptools.HttpResponseParser(gathered)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise Unreadable(str(error)) from error
    if not gathered.complete:
        raise Unreadable("not a valid HTTP response")
    status = parser.get_status_code()
    headers = gathered.headers
    coding = _values(headers, b"transfer-encoding")
    length: int | None
    if method == b"HEAD" or status < 200 or status in {204, 304}:
        length = 0
    elif coding:
        length = None if coding[-1] == b"chunked" else -1
    else:
        lengths = _values(headers, b"content-length")
        length = int(lengths[0]) if lengths else -1
    return AnswerHead(status, headers, length)


def without_named(raw: bytes, headers: Headers) -> bytes:
    """Return *raw* without the fields that its `Connection` field names.

    RFC 9110, 7.6.1. Options that also apply to the proxy's own connection are kept. All other bytes
    are unchanged.
    """
    options = _values(headers, b"connection")
    named = frozenset(options) - _OWN_OPTIONS - _END_TO_END
    if not named:
        return raw
    first, *lines = raw.removesuffix(HEAD_END).split(b"\r\n")
    kept = [first]
    for line in lines:
        name, _, value = line.partition(b":")
        lowered = name.lower()
        if lowered == b"connection":
            parts = (part.strip() for part in value.split(b","))
            left = [part for part in parts if part.lower() not in named]
            if left:
                kept.append(name + b": " + b", ".join(left))
        elif lowered not in named:
            kept.append(line)
    return b"\r\n".join(kept) + HEAD_END


def path_and_query(target: bytes) -> tuple[str, bytes]:
    """Return path and query string, as in ASGI."""
    if target[:1] == b"/":
        raw, _, query = target.partition(b"?")
    else:
        try:
            url = httptools.parse_url(target)
            raw, query = url.path or b"", url.query or b""
        except httptools.HttpParserError:  # `*`, or the authority of CONNECT
            raw, query = target, b""
    return unquote(raw.decode("latin-1")), query


def _values(headers: Headers, name: bytes) -> list[bytes]:
    """Return the members of a list-valued field, in lower case."""
    return [
        part.strip().lower()
        for key, value in headers
        if key == name
        for part in value.split(b",")
        if part.strip()
    ]
