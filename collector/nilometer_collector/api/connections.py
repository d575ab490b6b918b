"""HTTP connections, each of which tells the listener whose turn it is."""

import asyncio
import logging
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from nilometer.serving.listener import Listener

TURN_SECONDS = 10.0  # of a peer: a handshake, a request, an answer that is not taken
CLOSE_SECONDS = 2.0  # for the other side of a TLS connection to say goodbye

# A request that is none is answered 400. A line for each would let any peer fill the log.
_http_log = logging.getLogger("nilometer.collector.http")
_http_log.setLevel(logging.ERROR)


class Connection(H11Protocol):
    """One connection, which tells the listener whose turn it is."""

    def __init__(
        self, listener: Listener, raw: socket.socket, config: uvicorn.Config, **state: Any
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
        self._listener.wait_for(self._raw, self.transport.abort)
        super().on_response_complete()
        self._tell()

    def pause_writing(self) -> None:
        """The peer does not take the answer."""
        super().pause_writing()
        self._listener.wait_for(self._raw, self.transport.abort)

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


async def connect(server: uvicorn.Server, listener: Listener, raw: socket.socket) -> None:
    """Serve a connection that *listener* accepted; return when its handshake is over."""
    loop, config = asyncio.get_running_loop(), server.config

    def connection() -> Connection:
        return Connection(
            listener, raw, config, server_state=server.server_state, app_state={}, _loop=loop
        )

    secure: dict[str, Any] = {}
    if config.ssl is not None:
        secure = {
            "ssl": config.ssl,
            "ssl_handshake_timeout": TURN_SECONDS,
            "ssl_shutdown_timeout": CLOSE_SECONDS,
        }
    await loop.connect_accepted_socket(connection, raw, **secure)
