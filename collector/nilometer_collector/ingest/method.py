"""A gRPC method of the collector: its request type, its handler, and the access that it needs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from nilometer_collector.access.rights import Access

Q = TypeVar("Q", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Generic[Q]):
    """One gRPC method.

    Attributes:
        kind: Type of its request message.
        answer: Function from a request and the rights of the call to the reply; it may block, and
            raises `CallRefused`.
        agent: Function that returns the agent name in a request; None if agents do not call the
            method.
        entities: Function that returns the entities to which the call needs a right; None if the
            reply refuses single entities, so that one entity does not block the others.
    """

    kind: type[Q]
    answer: Callable[[Q, Access], Message]
    agent: Callable[[Q], str] | None
    entities: Callable[[Q], Iterable[str]] | None
