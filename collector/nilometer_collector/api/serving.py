"""The HTTP server: uvicorn on a thread of its own, behind a listener that no peer can hold."""

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from nilometer.serving.listener import Listener
from nilometer.values.clock import SystemClock
from nilometer.values.errors import ConfigError
from nilometer_collector.api.connections import Connection, connect

START_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 5

log = logging.getLogger("nilometer.collector")


class HttpServer:
    """Serves the API and the pages.

    Args:
        app: The application.
        listening: A bound socket.
        listener: Accepts on it.
        certificate: Of the server with its chain, PEM; empty serves without TLS.
        key: Of *certificate*, PEM.
        shutdown_seconds: Longest time it may drain.
        ended: Called when it serves no longer.

    Raises:
        ConfigError: If the certificate or key cannot be read.
    """

    def __init__(
        self,
        app: ASGIApp,
        listening: socket.socket,
        listener: Listener,
        *,
        certificate: str,
        key: str,
        shutdown_seconds: float,
        ended: Callable[[], None],
    ) -> None:
        config = uvicorn.Config(
            app,
            ssl_certfile=certificate or None,
            ssl_keyfile=key or None,
            http=Connection,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(shutdown_seconds)),
        )
        try:
            config.load()
        except OSError as error:  # of TLS, too: ssl.SSLError is one
            raise ConfigError(f"http_certificate and http_key: {error}") from error
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        self._server = _Server(config, listener)
        self._listening = listening
        self._shutdown_seconds = shutdown_seconds
        self._ended = ended
        self._thread = threading.Thread(target=self._run, name="nilometer-http", daemon=True)

    def start(self) -> None:
        """Return when requests are answered.

        Raises:
            ConfigError: If they are not in time.
        """
        self._thread.start()
        clock = SystemClock()
        until = clock.monotonic() + START_SECONDS
        while not self._server.started:
            with suppress(RuntimeError):
                self._thread.join(0.01)
            if not self._thread.is_alive() or clock.monotonic() > until:
                raise ConfigError("http_address: the HTTP server did not start; the log says more")

    def stop(self) -> None:
        """Accept no more, let requests end, return."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(self._shutdown_seconds + 2.0)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listening])
        except Exception:
            log.exception("the HTTP server failed")
        finally:
            self._ended()


class _Server(uvicorn.Server):
    """Uvicorn's, with a listener of our own in place of asyncio's."""

    def __init__(self, config: uvicorn.Config, listener: Listener) -> None:
        super().__init__(config)
        self._listener = listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        del sockets
        self.servers = []
        self._listener.start(lambda raw: connect(self, self._listener, raw))
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and drain."""
        self._listener.stop()
        await super().shutdown(sockets)
