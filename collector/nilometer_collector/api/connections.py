"""HTTP connections, which report to the listener whether they wait for the peer."""

import asyncio
import logging
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from nilometer.serving.listener import Listener

TURN_SECONDS = 10.0  # longest wait for a peer to finish a handshake or request, or to read
CLOSE_SECONDS = 2.0  # longest wait for the peer's TLS close notification

# Invalid requests get status 400 and are not logged, because any peer could fill the log.
_http_log = logging.getLogger("nilometer.collector.http")
_http_log.setLevel(logging.ERROR)


class Connection(H11Protocol):
    """One connection, which reports to the listener whether it waits for the peer."""

    def __init__(
        self, listener: Listener, raw: socket.socket, config: uvicorn.Config, **state: Any
    ) -> None:
        super().__init__(config=config, **state)
        self.logger = _http_log
        self._listener = listener
        self._raw = raw

    def data_received(self, data: bytes) -> None:
        """Process received bytes of a request."""
        super().data_received(data)
        self._report_turn()

    def on_response_complete(self) -> None:
        """Wait for the peer's next request after the response was written."""
        self._listener.wait_for(self._raw, self.transport.abort)
        super().on_response_complete()
        self._report_turn()

    def pause_writing(self) -> None:
        """Pause until the peer reads the response."""
        super().pause_writing()
        self._listener.wait_for(self._raw, self.transport.abort)

    def resume_writing(self) -> None:
        """Continue to write after the peer has read a part of the response."""
        super().resume_writing()
        self._report_turn()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the closed connection from the listener."""
        self._listener.forget(self._raw)
        super().connection_lost(exc)

    def _report_turn(self) -> None:
        """Tell the listener that the server is working, if a request waits for a response."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or self.flow.write_paused:
            return
        if not cycle.more_body and not cycle.response_complete:
            self._listener.serve(self._raw)


async def connect(server: uvicorn.Server, listener: Listener, raw: socket.socket) -> None:
    """Serve a connection that *listener* accepted. Returns after the handshake."""
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
