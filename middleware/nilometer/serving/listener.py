"""Accepts connections on an event loop, with limits on number and time, so that no client blocks.

At any time, it is either the client's or the server's turn on a connection. The client has its turn
during a handshake, an incomplete request, an unread response, and a pause between requests. A
client's turn is limited in time. When all places are used, the connection with the longest turn of
a client is closed.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial

from nilometer.serving.waiting import Waiting
from nilometer.values.once import MINUTE_SECONDS, OnceEvery

SWEEP_SECONDS = 0.25
BACK_OFF_SECONDS = 0.1  # pause after a failed accept
CLOSE_TURNS = 4  # iterations of the event loop until an ended connection is closed
FULL_SECONDS = 0.01  # interval of checks while every connection waits for a response
BACKLOG = 2048  # connections that the kernel queues


class Listener:
    """Accepts connections on one event loop.

    Args:
        listening: Bound sockets.
        log: Logger for failed accepts.
        most: Largest number of concurrent connections.
        turn_seconds: Longest turn of a peer, in seconds.
        by_address: Whether clients are distinguished by their addresses. If so, one address gets at
            most a quarter of the connections.
        refuse: Function that receives a connection without a place; None leaves it in the kernel's
            queue.
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
        self._ending: set[socket.socket] = set()  # ended by the server, but still open
        self._tasks: set[asyncio.Task[None]] = set()
        self._once = OnceEvery(MINUTE_SECONDS)

    def start(self, connect: Callable[[socket.socket], Awaitable[object]]) -> None:
        """Start to accept connections.

        Args:
            connect: Function that creates the transport of a connection. Call `forget` at the end
                of it.
        """
        for listening in self._listening:
            listening.settimeout(0)
            listening.listen(BACKLOG)
            self._run(self._accept(listening, connect))
        self._run(self._sweep())

    def stop(self) -> None:
        """Accept no more connections, and end pending handshakes."""
        for task in self._tasks:
            task.cancel()

    def wait_for(self, raw: socket.socket, end: Callable[[], None] | None = None) -> None:
        """Start the client's turn.

        Args:
            raw: The connection.
            end: Function that ends the code for this connection; None if there is none.
        """
        if raw not in self._open or raw in self._ending:
            return

        def end_now() -> None:
            self._ending.add(raw)
            if end is not None:
                end()
                return
            with suppress(OSError):  # the connection has already ended
                raw.shutdown(socket.SHUT_RDWR)

        now = asyncio.get_running_loop().time()
        self._waiting.begin(raw, now, end_now, self._groups(raw))

    def serve(self, raw: socket.socket) -> None:
        """Start the server's turn."""
        self._waiting.over(raw)

    def forget(self, raw: socket.socket) -> None:
        """Remove a closed connection."""
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
        while True:
            if self._refuse is None:
                await self._make_room()
            try:
                raw = await _accepted(listening)
            except OSError as error:
                self._log_error(error)
                await asyncio.sleep(BACK_OFF_SECONDS)  # running requests continue during the pause
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
        """Wait for a free place; return false if there is none and connections must be refused."""
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
        except (OSError, ssl.SSLError):  # caused by the client
            self._drop(raw)

    def _drop_if_cancelled(self, raw: socket.socket, connecting: asyncio.Task[None]) -> None:
        if connecting.cancelled():  # the task may not have started yet
            self._drop(raw)

    def _drop(self, raw: socket.socket) -> None:
        self.forget(raw)
        raw.close()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._waiting.expire(loop.time())
            await asyncio.sleep(SWEEP_SECONDS)

    def _log_error(self, error: OSError) -> None:
        if self._once.due(asyncio.get_running_loop().time()):
            self._log.error(
                "connections cannot be accepted (%s); closed the one that was idle longest: raise the "
                "limit of open files",
                error,
                extra={"reason": str(error), "open": len(self._open)},
            )

    def _run(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _accepted(listening: socket.socket) -> socket.socket:
    """Return the next connection.

    `loop.sock_accept` loses a connection if it is cancelled right after the accept.
    """
    while True:
        try:
            raw, _ = listening.accept()
        except BlockingIOError:
            await _readable(listening)
        else:
            raw.settimeout(0)
            return raw


async def _readable(listening: socket.socket) -> None:
    """Wait until a connection is in the queue of *listening*."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(listening, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(listening)
