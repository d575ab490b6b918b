"""A gRPC method of the collector: what it takes, whom it is about, and what answers it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

Q = TypeVar("Q", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Generic[Q]):
    """One method.

    Attributes:
        kind: Message that it takes.
        answer: Makes the reply; blocks, and runs on a thread. Raises `CallRefused`.
        agent: Name under which the caller ships; None for a method that no agent calls.
        entities: Entities that the request is about.
    """

    kind: type[Q]
    answer: Callable[[Q], Message]
    agent: Callable[[Q], str] | None
    entities: Callable[[Q], Iterable[str]]
