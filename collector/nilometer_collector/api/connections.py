"""HTTP connections: accepted, bounded and timed, so that no peer can hold the server.

A connection is either the peer's turn - the handshake, a request that is not complete, an answer
that is not taken, a pause between requests - or the server's. A peer's turn is at most
`TURN_SECONDS`, and when all places are taken, the peer whose turn is longest makes room.
"""

import asyncio
import logging
import socket
import ssl
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from nilometer.values.once import OnceAMinute
from nilometer_collector.access.waiting import Waiting

TURN_SECONDS = 10.0
CLOSE_SECONDS = 2.0  # for the other side of a TLS connection to say goodbye
SWEEP_SECONDS = 0.25
BACK_OFF_SECONDS = 0.1  # after an accept that failed
CLOSE_TURNS = 4  # of the event loop, in which a connection that was ended closes
FULL_SECONDS = 0.01  # between two looks, while every connection has a request to be answered
BACKLOG = 2048  # connections that the kernel holds for us

log = logging.getLogger("nilometer.collector")
# A request that is none is answered 400. A line for each would let any peer fill the log.
_http_log = logging.getLogger("nilometer.collector.http")
_http_log.setLevel(logging.ERROR)


class Connection(H11Protocol):
    """One connection, which tells the listener whose turn it is."""

    def __init__(
        self, listener: "Listener", raw: socket.socket, config: uvicorn.Config, **state: Any
    ) -> None:
        super().__init__(config=config, **state)
        self.logger = _http_log
        self._listener = listener
        self._raw = raw

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        super().data_received(data)
        self._tell()

    def on_response_complete(self) -> None:
        """The answer is written: the next request is the peer's turn."""
        self._listener.wait_for(self._raw, self.transport)
        super().on_response_complete()
        self._tell()

    def pause_writing(self) -> None:
        """The peer does not take the answer."""
        super().pause_writing()
        self._listener.wait_for(self._raw, self.transport)

    def resume_writing(self) -> None:
        """The peer has taken some of the answer."""
        super().resume_writing()
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._listener.forget(self._raw)
        super().connection_lost(exc)

    def _tell(self) -> None:
        """Say that it is the server's turn, if a whole request is there and its answer is taken."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or self.flow.write_paused:
            return
        if not cycle.more_body and not cycle.response_complete:
            self._listener.serve(self._raw)


class Listener:
    """Accepts connections on one event loop.

    Args:
        listening: The socket.
        most: Connections at once.
        by_address: Whether the addresses of peers tell them apart: then one has a quarter at most.
    """

    def __init__(self, listening: socket.socket, most: int, *, by_address: bool) -> None:
        self._listening = listening
        self._most = most
        self._by_address = by_address
        self._waiting: Waiting[socket.socket] = Waiting(most, max(1, most // 4), TURN_SECONDS)
        self._open: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._once = OnceAMinute()

    def start(self, server: uvicorn.Server) -> None:
        """Accept for *server*, from now on."""
        self._listening.settimeout(0)
        self._listening.listen(BACKLOG)
        self._run(self._accept(server))
        self._run(self._sweep())

    def stop(self) -> None:
        """Accept no more; end the handshakes that are under way."""
        for task in self._tasks:
            task.cancel()

    def wait_for(self, raw: socket.socket, transport: asyncio.Transport | None = None) -> None:
        """It is the peer's turn from now on."""
        if raw not in self._open:
            return

        def end() -> None:
            if transport is not None:
                transport.abort()
                return
            with suppress(OSError):  # it has gone by itself
                raw.shutdown(socket.SHUT_RDWR)

        now = asyncio.get_running_loop().time()
        self._waiting.begin(raw, now, end, self._groups(raw))

    def serve(self, raw: socket.socket) -> None:
        """It is the server's turn from now on."""
        self._waiting.over(raw)

    def forget(self, raw: socket.socket) -> None:
        """The connection is gone."""
        self._waiting.over(raw)
        self._open.discard(raw)

    def _groups(self, raw: socket.socket) -> tuple[str, ...]:
        if not self._by_address:
            return ()
        with suppress(OSError):
            return (str(raw.getpeername()[0]),)
        return ()

    async def _accept(self, server: uvicorn.Server) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._make_room()
            try:
                raw, _ = await loop.sock_accept(self._listening)
            except OSError as error:
                self._tell(error)
                await asyncio.sleep(BACK_OFF_SECONDS)  # who has sent a request is served meanwhile
                self._waiting.end_longest()
                continue
            self._open.add(raw)
            self.wait_for(raw)
            self._run(self._connect(server, raw))

    async def _make_room(self) -> None:
        """Return when there is a place; until then the kernel holds new connections."""
        while len(self._open) >= self._most:
            self._waiting.end_longest()
            for _ in range(CLOSE_TURNS):
                await asyncio.sleep(0)
                if len(self._open) < self._most:
                    return
            await asyncio.sleep(FULL_SECONDS)

    async def _connect(self, server: uvicorn.Server, raw: socket.socket) -> None:
        loop, config = asyncio.get_running_loop(), server.config

        def connection() -> Connection:
            return Connection(
                self, raw, config, server_state=server.server_state, app_state={}, _loop=loop
            )

        secure: dict[str, Any] = {}
        if config.ssl is not None:
            secure = {
                "ssl": config.ssl,
                "ssl_handshake_timeout": TURN_SECONDS,
                "ssl_shutdown_timeout": CLOSE_SECONDS,
            }
        try:
            await loop.connect_accepted_socket(connection, raw, **secure)
        except (OSError, ssl.SSLError, asyncio.CancelledError):  # of the peer's making, or the end
            self.forget(raw)
            raw.close()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._waiting.expire(loop.time())
            await asyncio.sleep(SWEEP_SECONDS)

    def _tell(self, error: OSError) -> None:
        if self._once.due(asyncio.get_running_loop().time()):
            log.error(
                "HTTP connections cannot be accepted; the longest silent one was closed: raise the "
                "limit of open files",
                extra={"reason": str(error), "open": len(self._open)},
            )

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
