"""The body of a WSGI response, which the server gets in place of the application's body."""

from collections.abc import Iterator
from typing import Any, Protocol

_NO_CHUNK = object()  # differs from every chunk of a body


class Writer(Protocol):
    """Records the chunks that the server reads from the response. Its methods never raise.

    Attributes:
        ended: Whether the observation was offered.
        finished: Whether the response's body is complete.
    """

    ended: bool
    finished: bool | None

    def end(self, raised: BaseException | None) -> None:
        """Offer the observation."""

    def note_chunk(self, chunk: Any) -> None:
        """Record a part of the response's body."""

    def stopped(self, error: BaseException | None) -> None:
        """Record the end of the application's iterator, or the *error* that it raised."""

    def closed(self) -> None:
        """Record that the server stopped reading."""


class Body:
    """The body of a response in place of the application's iterable.

    The class has no constructor, because `WsgiExchange` sets the attributes at a lower cost.

    Attributes:
        nilometer_body: The application's iterable.
        nilometer_exchange: The exchange, which records the chunks.
        nilometer_iterator: Iterator of the chunks, if the server calls `next` on the body itself.
    """

    __slots__ = ("nilometer_body", "nilometer_exchange", "nilometer_iterator")
    nilometer_body: Any
    nilometer_exchange: Writer
    nilometer_iterator: Iterator[bytes] | None

    def __iter__(self) -> Iterator[bytes]:
        try:
            chunks = iter(self.nilometer_body)
        except BaseException as error:
            self.nilometer_exchange.stopped(error)
            raise
        if not hasattr(chunks, "__iter__"):  # some iterators lack it, but can be iterated once
            chunks = iter(chunks.__next__, _NO_CHUNK)
        return self._noted(chunks)

    def _noted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        # Ending a generator costs less than raising a `StopIteration`.
        exchange = self.nilometer_exchange
        note = exchange.note_chunk
        try:
            for chunk in chunks:
                note(chunk)
                yield chunk
        except GeneratorExit:
            exchange.closed()
            raise
        except BaseException as error:
            exchange.stopped(error)
            raise
        if exchange.finished:
            exchange.end(None)
        else:
            exchange.stopped(None)

    def __next__(self) -> bytes:
        if self.nilometer_iterator is None:
            self.nilometer_iterator = iter(self)
        return next(self.nilometer_iterator)

    def close(self) -> None:
        """Close the application's iterable, if it can be closed."""
        if not self.nilometer_exchange.ended:
            self.nilometer_exchange.closed()
        close = getattr(self.nilometer_body, "close", None)
        if close is not None:
            close()


class SizedBody(Body):
    """The body of a response with a known number of chunks, which a server may ask for."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self.nilometer_body)


MAX_FORMS = 1024  # most types of results in the cache


class Forms(dict[type, "type[Body] | None"]):
    """The kind of body for each type of result.

    None stands for a type that the server gets unchanged: lists and tuples, which are complete,
    bytes, which some servers send as one chunk, and results that cannot be iterated.
    """

    def __missing__(self, kind: type) -> "type[Body] | None":
        form: type[Body] | None = None
        if not issubclass(kind, (list, tuple, bytes)):
            if hasattr(kind, "__len__"):
                form = SizedBody
            elif hasattr(kind, "__iter__") or hasattr(kind, "__getitem__"):
                form = Body
        if len(self) < MAX_FORMS:
            self[kind] = form
        return form
