"""Requests to a collector, and conversations of several requests, without any I/O.

A conversation is a generator. It yields a `Request`, receives the body of the response, and returns
its result. So the synchronous and the asynchronous client run the same code.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from nilometer.client.errors import NotUnderstood

T = TypeVar("T")

Conversation: TypeAlias = Generator["Request", bytes, T]
Parameters: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to the HTTP API.

    Attributes:
        path: Path, which begins with ``/``.
        method: HTTP method. Only GET is repeated after a failure.
        parameters: Query parameters, which may repeat.
        body: JSON of the body; None for no body.
        seconds: Time to wait for the response; None for the client's own.
    """

    path: str
    method: str = "GET"
    parameters: Parameters = field(default=())
    body: bytes | None = None
    seconds: float | None = None

    @property
    def is_read(self) -> bool:
        """Whether the request changes nothing, so that it may be repeated."""
        return self.method == "GET"


def decoded(body: bytes, answer: type[T]) -> T:
    """Return the answer in the JSON *body*; fields that are unknown here are ignored.

    Raises:
        NotUnderstood: If the body is not such an answer.
    """
    import msgspec

    try:
        return msgspec.json.decode(body, type=answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotUnderstood(
            f"the answer cannot be read: {error}: check that the URL is that of a "
            "collector of this version"
        ) from error


def read(path: str, answer: type[T], parameters: Parameters = ()) -> Conversation[T]:
    """Ask for *path*, and return the answer."""
    body = yield Request(path=path, parameters=parameters)
    return decoded(body, answer)


def send(
    path: str, answer: type[T], content: Mapping[str, Any], parameters: Parameters = ()
) -> Conversation[T]:
    """Post *content* as JSON to *path*, and return the answer.

    Raises:
        ValueError: If *content* cannot be written as JSON.
    """
    import msgspec

    try:
        packed = msgspec.json.encode(content)
    except (TypeError, UnicodeEncodeError) as error:
        raise ValueError(f"content is not JSON: {error}") from error
    body = yield Request(path=path, method="POST", parameters=parameters, body=packed)
    return decoded(body, answer)
