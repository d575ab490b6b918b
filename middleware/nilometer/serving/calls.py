"""How many gRPC calls are waited for and answered at once: of all, of a principal, of an address.

A call runs on an event loop, so that one that sends its headers and no message holds no thread.
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

MESSAGE_SECONDS = 5.0  # from the headers of a call to its message
MAX_WAITING = 1024  # calls whose message has not come
MAX_WAITING_OF_ONE = 64  # of one principal, or of one address
MAX_CALLS = 64  # whose message is held and answered; more come again
MAX_CALLS_OF_ONE = 32
MAX_WATCHES = 64  # streams of the health service

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Requests: TypeAlias = AsyncIterator[bytes]


class CallRefused(Exception):
    """A call that ends with a status.

    Args:
        code: The status.
        why: What is wrong, for the caller; no value of a payload beyond the start of a name.
    """

    def __init__(self, code: grpc.StatusCode, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a call counts for.

    Attributes:
        principal: Its name; empty where nobody is asked.
        address: Of the peer, without its port.
    """

    principal: str
    address: str


class Bounds:
    """Counts calls. Not thread-safe: one event loop owns it.

    Args:
        by_address: Whether the addresses of peers tell them apart.
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
        """Wait for the message of a call within the block.

        Raises:
            CallRefused: If it does not come in time, or another call needs the place.
        """
        async with self._placed(self._waiting, caller, MESSAGE_SECONDS):
            yield

    @asynccontextmanager
    async def watching(self, caller: Caller) -> AsyncIterator[None]:
        """Stream to a caller within the block, until another one needs the place.

        Raises:
            CallRefused: If one does.
        """
        async with self._placed(self._watching, caller, None):
            yield

    @contextmanager
    def answering(self, caller: Caller) -> Iterator[None]:
        """Hold and answer a message within the block.

        Raises:
            CallRefused: If there are too many at once.
        """
        groups = self._groups(caller)
        if self._held[None] >= MAX_CALLS or any(
            self._held[group] >= MAX_CALLS_OF_ONE for group in groups
        ):
            raise CallRefused(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls at once: come again"
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
                "the call was waited for too long, or others needed its place",
            ) from error

    def _groups(self, caller: Caller) -> tuple[Hashable, ...]:
        principal = (("principal", caller.principal),) if caller.principal else ()
        address = (("address", caller.address),) if self._by_address else ()
        return principal + address


async def message_of(requests: Requests) -> bytes:
    """The message of a call.

    Raises:
        CallRefused: If it ended without one.
    """
    async for content in requests:
        return content
    raise CallRefused(grpc.StatusCode.INVALID_ARGUMENT, "the call ended without a message")


def caller_of(principal: str, context: Context) -> Caller:
    """Whom a call counts for, where *principal* makes it."""
    return Caller(principal, context.peer().rpartition(":")[0])


def _end(place: asyncio.Timeout, now: float) -> None:
    with suppress(RuntimeError):  # its time has just run out by itself
        place.reschedule(now)
