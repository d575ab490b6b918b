"""The body of a WSGI response: what the server iterates and closes in place of the application's."""

from collections.abc import Iterator
from typing import Any, Protocol


class Writer(Protocol):
    """Records what the server takes of the response's body. Its methods never raise."""

    def note_chunk(self, chunk: Any) -> None:
        """Record a part of the response's body."""

    def stopped(self, error: BaseException) -> None:
        """Record that the application's iterator has raised *error*."""

    def closed(self) -> None:
        """Record that the server reads no further."""


class Body:
    """The body of a response in place of the application's iterable."""

    __slots__ = ("nilometer_body", "nilometer_exchange", "nilometer_iterator")

    def __init__(self, body: Any, exchange: Writer) -> None:
        self.nilometer_body = self.nilometer_iterator = body
        self.nilometer_exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        self.nilometer_iterator = iter(self.nilometer_body)
        return self

    def __next__(self) -> bytes:
        try:
            chunk: bytes = next(self.nilometer_iterator)
        except BaseException as error:
            self.nilometer_exchange.stopped(error)
            raise
        self.nilometer_exchange.note_chunk(chunk)
        return chunk

    def close(self) -> None:
        """Close the application's iterable, if it can be closed."""
        self.nilometer_exchange.closed()
        close = getattr(self.nilometer_body, "close", None)
        if close is not None:
            close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.nilometer_body, name)


class SizedBody(Body):
    """The body of a response whose number of chunks is known: a server may ask for it."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self.nilometer_body)
