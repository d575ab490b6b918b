"""The HTTP server: uvicorn on its own thread. Its listener limits how long a peer may wait."""

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
        app: Application to serve.
        listening: Bound socket.
        listener: Listener that accepts connections on the socket.
        certificate: Path of the server certificate with its chain, PEM; empty for no TLS.
        key: Path of the private key of *certificate*, PEM.
        shutdown_seconds: Longest time for running requests to finish at a stop.
        ended: Function that is called when the server has ended.

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
        except OSError as error:  # includes ssl.SSLError
            raise ConfigError(f"http_certificate and http_key: {error}") from error
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        self._server = _Server(config, listener)
        self._listening = listening
        self._shutdown_seconds = shutdown_seconds
        self._ended = ended
        self._thread = threading.Thread(target=self._run, name="nilometer-http", daemon=True)

    def start(self) -> None:
        """Start to serve; return when the server accepts requests.

        Raises:
            ConfigError: If it does not within `START_SECONDS`.
        """
        self._thread.start()
        clock = SystemClock()
        until = clock.monotonic() + START_SECONDS
        while not self._server.started:
            with suppress(RuntimeError):
                self._thread.join(0.01)
            if not self._thread.is_alive() or clock.monotonic() > until:
                raise ConfigError("http_address: the HTTP server did not start: see the log")

    def stop(self) -> None:
        """Stop accepting connections, and return when running requests have finished."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(self._shutdown_seconds + 2.0)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listening])
        except Exception:
            log.exception("internal error: the HTTP server ended")
        finally:
            self._ended()


class _Server(uvicorn.Server):
    """Uvicorn's server, with `Listener` in place of asyncio's listener."""

    def __init__(self, config: uvicorn.Config, listener: Listener) -> None:
        super().__init__(config)
        self._listener = listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        del sockets
        self.servers = []
        self._listener.start(lambda raw: connect(self, self._listener, raw))
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, and wait for running requests."""
        self._listener.stop()
        await super().shutdown(sockets)
