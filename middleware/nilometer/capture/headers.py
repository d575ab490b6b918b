"""Headers in every form that ASGI allows: any iterable of any two-item iterables.

Almost all servers and applications pass a list of tuples of `bytes`; `Exchange` and `Packer` read
those where they pass. This module reads the other forms, and leaves to the server whatever can be
read only once.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Protocol

from nilometer.capture.types import Scope


class Answered(Protocol):
    """What keeps the headers of an answer."""

    response_headers: Iterable[tuple[bytes, bytes]]


class PassingHeaders:
    """Gives the application's headers to whoever iterates it, and keeps what it gave.

    The application's iterable is read when the server reads it, and as far: what it raises is
    raised to the server.

    Args:
        headers: The application's.
        exchange: Keeps the headers that were read.
        new_id: Header to add at the end unless the application set it; None adds nothing.
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
    """*headers* with *new_id* at the end, unless they have a header of its name."""
    pairs = [lasting_pair(pair) for pair in headers]
    if not _has(pairs, new_id[0]):
        pairs.append(new_id)
    return pairs


def lasting_pair(pair: Any) -> Any:
    """*pair* itself, or a tuple of it where it can be read only once."""
    return tuple(pair) if isinstance(pair, Iterator) else pair


def lasting_headers(scope: Scope) -> Any:
    """The request's headers; put into *scope* as a list where they can be read only once."""
    headers = scope["headers"]
    if not isinstance(headers, Collection):
        scope["headers"] = headers = [lasting_pair(pair) for pair in headers]
    return headers


def content_type_of(headers: Iterable[Any]) -> str:
    """The content type in *headers*; empty where they name none."""
    for pair in headers:
        try:
            name, value = pair
            if bytes(memoryview(name)).lower() == b"content-type":
                return bytes(memoryview(value)).decode("latin-1")
        except (TypeError, ValueError):
            continue  # the server will refuse it
    return ""


def _has(pairs: list[Any], wanted: bytes) -> bool:
    """Whether *pairs* hold a header of the name *wanted*; what is no pair of bytes is none."""
    for pair in pairs:
        try:
            name, _ = pair
            if bytes(memoryview(name)).lower() == wanted:
                return True
        except (TypeError, ValueError):
            continue  # the server will refuse it
    return False
