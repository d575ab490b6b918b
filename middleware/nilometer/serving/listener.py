"""Connections on an event loop: accepted, bounded and timed, so that no peer can hold the server.

A connection is either the peer's turn - a handshake, a request that is not complete, an answer that is
not taken, a pause between requests - or the server's. A peer's turn is bounded, and when all places are
taken, the peer whose turn is longest makes room.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial

from nilometer.serving.waiting import Waiting
from nilometer.values.once import OnceAMinute

SWEEP_SECONDS = 0.25
BACK_OFF_SECONDS = 0.1  # after an accept that failed
CLOSE_TURNS = 4  # of the event loop, in which a connection that was ended closes
FULL_SECONDS = 0.01  # between two looks, while every connection has a request to be answered
BACKLOG = 2048  # connections that the kernel holds for us


class Listener:
    """Accepts connections on one event loop.

    Args:
        listening: Bound sockets.
        log: Where accepts that fail are told.
        most: Connections at once.
        turn_seconds: Longest turn of a peer.
        by_address: Whether the addresses of peers tell them apart: then one has a quarter at most.
        refuse: Given a connection for which there is no place and nobody makes room; None lets the
            kernel hold it until there is.
    """

    def __init__(
        self,
        listening: Sequence[socket.socket],
        log: logging.Logger,
        most: int,
        turn_seconds: float,
        *,
        by_address: bool,
        refuse: Callable[[socket.socket], None] | None = None,
    ) -> None:
        self._listening = listening
        self._log = log
        self._most = most
        self._by_address = by_address
        self._refuse = refuse
        self._waiting: Waiting[socket.socket] = Waiting(most, max(1, most // 4), turn_seconds)
        self._open: set[socket.socket] = set()
        self._ending: set[socket.socket] = set()  # ended by us, and still open
        self._tasks: set[asyncio.Task[None]] = set()
        self._once = OnceAMinute()

    def start(self, connect: Callable[[socket.socket], Awaitable[object]]) -> None:
        """Accept from now on.

        Args:
            connect: Makes a transport of an accepted connection. `forget` is called when that is over.
        """
        for listening in self._listening:
            listening.settimeout(0)
            listening.listen(BACKLOG)
            self._run(self._accept(listening, connect))
        self._run(self._sweep())

    def stop(self) -> None:
        """Accept no more; end the handshakes that are under way."""
        for task in self._tasks:
            task.cancel()

    def wait_for(self, raw: socket.socket, end: Callable[[], None] | None = None) -> None:
        """It is the peer's turn from now on.

        Args:
            raw: The connection.
            end: Ends what serves it; None where nothing does yet.
        """
        if raw not in self._open or raw in self._ending:
            return

        def end_now() -> None:
            self._ending.add(raw)
            if end is not None:
                end()
                return
            with suppress(OSError):  # it has gone by itself
                raw.shutdown(socket.SHUT_RDWR)

        now = asyncio.get_running_loop().time()
        self._waiting.begin(raw, now, end_now, self._groups(raw))

    def serve(self, raw: socket.socket) -> None:
        """It is the server's turn from now on."""
        self._waiting.over(raw)

    def forget(self, raw: socket.socket) -> None:
        """The connection is gone."""
        self._waiting.over(raw)
        self._open.discard(raw)
        self._ending.discard(raw)

    def _groups(self, raw: socket.socket) -> tuple[str, ...]:
        if not self._by_address or raw.family == socket.AF_UNIX:
            return ()
        with suppress(OSError):
            return (str(raw.getpeername()[0]),)
        return ()

    async def _accept(
        self, listening: socket.socket, connect: Callable[[socket.socket], Awaitable[object]]
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if self._refuse is None:
                await self._make_room()
            try:
                raw, _ = await loop.sock_accept(listening)
            except OSError as error:
                self._tell(error)
                await asyncio.sleep(BACK_OFF_SECONDS)  # who has sent a request is served meanwhile
                self._waiting.end_longest()
                continue
            try:
                has_room = self._refuse is None or await self._make_room()
            except asyncio.CancelledError:
                raw.close()
                raise
            if self._refuse is not None and not has_room:
                self._refuse(raw)
                continue
            self._open.add(raw)
            self.wait_for(raw)
            connecting = self._run(self._connect(connect, raw))
            connecting.add_done_callback(partial(self._drop_if_cancelled, raw))

    async def _make_room(self) -> bool:
        """Return when there is a place; false where there is none and connections are refused."""
        while len(self._open) >= self._most:
            ended = self._waiting.end_longest()
            if self._refuse is not None and not ended and not self._ending:
                return False
            for _ in range(CLOSE_TURNS):
                await asyncio.sleep(0)
                if len(self._open) < self._most:
                    return True
            await asyncio.sleep(FULL_SECONDS)
        return True

    async def _connect(
        self, connect: Callable[[socket.socket], Awaitable[object]], raw: socket.socket
    ) -> None:
        try:
            await connect(raw)
        except (OSError, ssl.SSLError):  # of the peer's making
            self._drop(raw)

    def _drop_if_cancelled(self, raw: socket.socket, connecting: asyncio.Task[None]) -> None:
        if connecting.cancelled():  # perhaps before it began
            self._drop(raw)

    def _drop(self, raw: socket.socket) -> None:
        self.forget(raw)
        raw.close()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._waiting.expire(loop.time())
            await asyncio.sleep(SWEEP_SECONDS)

    def _tell(self, error: OSError) -> None:
        if self._once.due(asyncio.get_running_loop().time()):
            self._log.error(
                "connections cannot be accepted (%s); the longest silent one was closed: raise the "
                "limit of open files",
                error,
                extra={"reason": str(error), "open": len(self._open)},
            )

    def _run(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
