"""Reads headers in every form that ASGI allows: any iterable of two-item iterables.

Almost all servers and applications pass a list of tuples of `bytes`. `Exchange` and `Packer` read
those lists directly. This module reads the other forms. An iterable that can be read only once is
not read before the server reads it.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Protocol

from nilometer.capture.types import Scope


class Answered(Protocol):
    """Something that stores the headers of a response."""

    response_headers: Iterable[tuple[bytes, bytes]]


class PassingHeaders:
    """Passes the application's headers to the server, and keeps what the server read.

    The application's iterable is read when the server reads it, and only as far as the server does.
    An exception that the iterable raises reaches the server.

    Args:
        headers: Headers that the application sent.
        exchange: Exchange that keeps the headers.
        new_id: Header to add at the end, unless the application set it; None adds no header.
    """

    def __init__(
        self, headers: Iterable[Any], exchange: Answered, new_id: tuple[bytes, bytes] | None
    ) -> None:
        self._headers = headers
        self._exchange = exchange
        self._new_id = new_id

    def __iter__(self) -> Iterator[Any]:
        kept: list[Any] = []
        self._exchange.response_headers = kept
        for pair in self._headers:
            lasting = lasting_pair(pair)
            kept.append(lasting)
            yield lasting
        if self._new_id is not None and not _has(kept, self._new_id[0]):
            kept.append(self._new_id)
            yield self._new_id


def with_id(headers: Iterable[Any], new_id: tuple[bytes, bytes]) -> list[Any]:
    """Return *headers* with *new_id* at the end, unless they contain a header of its name."""
    pairs = [lasting_pair(pair) for pair in headers]
    if not _has(pairs, new_id[0]):
        pairs.append(new_id)
    return pairs


def lasting_pair(pair: Any) -> Any:
    """Return *pair*, or a tuple of its items if it can be read only once."""
    return tuple(pair) if isinstance(pair, Iterator) else pair


def lasting_headers(scope: Scope) -> Any:
    """Return the request's headers; headers that can be read only once are copied into *scope*."""
    headers = scope["headers"]
    if not isinstance(headers, Collection):
        scope["headers"] = headers = [lasting_pair(pair) for pair in headers]
    return headers


def content_type_of(headers: Iterable[Any]) -> str:
    """Return the content type in *headers*; empty without one."""
    for pair in headers:
        try:
            name, value = pair
            if bytes(memoryview(name)).lower() == b"content-type":
                return bytes(memoryview(value)).decode("latin-1")
        except (TypeError, ValueError):
            continue  # the server will reject it
    return ""


def _has(pairs: list[Any], wanted: bytes) -> bool:
    """Return whether *pairs* hold a header named *wanted*; malformed pairs are skipped."""
    for pair in pairs:
        try:
            name, _ = pair
            if bytes(memoryview(name)).lower() == wanted:
                return True
        except (TypeError, ValueError):
            continue  # the server will reject it
    return False
