"""Limits on concurrent gRPC calls: in total, per principal, and per address.

Calls run on an event loop. So a call that sends headers but no message uses no thread.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio

from nilometer.serving.waiting import Waiting

MESSAGE_SECONDS = 5.0  # longest time from the headers of a call to its message
MAX_WAITING = 1024  # limit for calls whose message has not arrived
MAX_WAITING_OF_ONE = 64  # limit for such calls of one principal, or of one address
MAX_CALLS = 64  # limit for calls that are being answered; further calls must retry
MAX_CALLS_OF_ONE = 32
MAX_WATCHES = 64  # limit for streams of the health service

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Requests: TypeAlias = AsyncIterator[bytes]


class CallRefused(Exception):
    """An error that ends a call with a gRPC status.

    Args:
        code: gRPC status code.
        why: Reason for the caller; of the data, it contains at most the start of a name.
    """

    def __init__(self, code: grpc.StatusCode, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller to which a call is counted.

    Attributes:
        principal: Name of the principal; empty without authentication.
        address: Address of the peer, without its port.
    """

    principal: str
    address: str


class Bounds:
    """Counts calls and enforces limits. Not thread-safe: one event loop uses it.

    Args:
        by_address: Whether callers are distinguished by their addresses.
    """

    def __init__(self, *, by_address: bool) -> None:
        self._by_address = by_address
        self._waiting: Waiting[asyncio.Timeout] = Waiting(
            MAX_WAITING, MAX_WAITING_OF_ONE, MESSAGE_SECONDS
        )
        self._watching: Waiting[asyncio.Timeout] = Waiting(
            MAX_WATCHES, MAX_WATCHES // 4, float("inf")
        )
        self._held: Counter[Hashable] = Counter()

    @asynccontextmanager
    async def waiting(self, caller: Caller) -> AsyncIterator[None]:
        """Wait for the message of a call inside the block.

        Raises:
            CallRefused: If the message does not arrive in time, or another call needs the place.
        """
        async with self._placed(self._waiting, caller, MESSAGE_SECONDS):
            yield

    @asynccontextmanager
    async def watching(self, caller: Caller) -> AsyncIterator[None]:
        """Stream to a caller inside the block, until another caller needs the place.

        Raises:
            CallRefused: If another caller needs the place.
        """
        async with self._placed(self._watching, caller, None):
            yield

    @contextmanager
    def answering(self, caller: Caller) -> Iterator[None]:
        """Keep a message and answer it inside the block.

        Raises:
            CallRefused: If there are too many calls at once.
        """
        groups = self._groups(caller)
        if self._held[None] >= MAX_CALLS or any(
            self._held[group] >= MAX_CALLS_OF_ONE for group in groups
        ):
            raise CallRefused(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls at once: try again"
            )
        self._held.update((None, *groups))
        try:
            yield
        finally:
            for group in (None, *groups):
                self._held[group] -= 1
                if not self._held[group]:
                    del self._held[group]

    @asynccontextmanager
    async def _placed(
        self, places: Waiting[asyncio.Timeout], caller: Caller, seconds: float | None
    ) -> AsyncIterator[None]:
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(seconds) as place:
                places.begin(place, now, partial(_end, place, now), self._groups(caller))
                try:
                    yield
                finally:
                    places.over(place)
        except TimeoutError as error:
            raise CallRefused(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "the message did not arrive in time, or the server needed room for other calls",
            ) from error

    def _groups(self, caller: Caller) -> tuple[Hashable, ...]:
        principal = (("principal", caller.principal),) if caller.principal else ()
        address = (("address", caller.address),) if self._by_address else ()
        return principal + address


async def message_of(requests: Requests) -> bytes:
    """Return the message of a call.

    Raises:
        CallRefused: If the call ended without a message.
    """
    async for content in requests:
        return content
    raise CallRefused(grpc.StatusCode.INVALID_ARGUMENT, "the call ended without a message")


def caller_of(principal: str, context: Context) -> Caller:
    """Return the caller to which a call of *principal* is counted."""
    return Caller(principal, context.peer().rpartition(":")[0])


def _end(place: asyncio.Timeout, now: float) -> None:
    with suppress(RuntimeError):  # the time limit ended the call at this moment
        place.reschedule(now)
