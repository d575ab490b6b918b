"""The proxies of one agent, on one event loop."""

import asyncio
import logging
import math
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from nilometer.handoff.guard import Guard
from nilometer.handoff.worker import Worker
from nilometer.serving.descriptors import free
from nilometer.serving.listener import Listener
from nilometer.values.errors import ConfigError
from nilometer_agent.proxy.follower import Follower
from nilometer_agent.proxy.listening import bound
from nilometer_agent.proxy.relay import Relay
from nilometer_agent.proxy.settings import ProxySettings

DESCRIPTORS = 2  # file descriptors of a client: its connection, and the one to the server
POLL_SECONDS = 0.05
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\n"
    b"connection: close\r\n\r\n"
)

log = logging.getLogger("nilometer.agent")


class ProxyServer:
    """One proxy: its listener and its relays. `open`, then `close`.

    Args:
        settings: Settings of the proxy, with the address of its agent.
    """

    def __init__(self, settings: ProxySettings) -> None:
        self.settings = settings
        self.worker = Worker(settings, Guard())
        self.refused = 0  # clients refused because of `max_connections`
        self._relays: set[Relay] = set()
        self._follower = _follower(settings, self.worker)
        self._listening: list[socket.socket] = []
        self._listener: Listener | None = None

    @property
    def port(self) -> int:
        """The port in use; 0 for a Unix socket."""
        if not self._listening or self.settings.listening.path:
            return 0
        return int(self._listening[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """Number of connected clients."""
        return len(self._relays)

    async def open(self) -> None:
        """Start to listen.

        Raises:
            ConfigError: If the address cannot be bound.
        """
        address = self.settings.listening
        try:
            self._listening = await asyncio.to_thread(bound, address)
        except OSError as error:
            raise ConfigError(
                f"proxy: listen = '{address}': cannot be bound: {error.strerror or error}"
            ) from error
        self._listener = Listener(
            self._listening,
            log,
            min(self.settings.max_connections, free() // DESCRIPTORS),
            math.inf,  # no time limit: the server closes idle connections
            by_address=self.settings.peers_by_address,
            refuse=self._refuse,
        )
        # Start the thread before the first request, whose observation it sends to the agent.
        self.worker.ensure_started()
        self._listener.start(self._connect)
        log.info(
            "proxy ready",
            extra={
                "listen": str(address),
                "upstream": str(self.settings.server),
                "entity": self.settings.entity,
            },
        )

    async def close(self) -> None:
        """Refuse new clients, finish requests within `drain_seconds`, send the last observations."""
        if self._listener is not None:
            self._listener.stop()
        for listening in self._listening:
            listening.close()
        deadline = time.monotonic() + self.settings.drain_seconds
        while self._relays:
            patient = time.monotonic() < deadline
            for relay in [*self._relays]:
                if relay.idle or not patient:
                    relay.close()
            await asyncio.sleep(POLL_SECONDS if patient else 0)
        await asyncio.to_thread(self.worker.stop)

    async def _connect(self, raw: socket.socket) -> None:
        """Start a relay for a client's connection."""
        assert self._listener is not None  # noqa: S101  the listener calls this
        settings, listener = self.settings, self._listener

        def ended(relay: Relay) -> None:
            self._relays.discard(relay)
            listener.forget(raw)

        relay = Relay(
            self._follower(),
            self.worker,
            settings.server,
            connect_seconds=settings.connect_seconds,
            head_seconds=settings.head_seconds,
            on_wait=lambda: listener.wait_for(raw, relay.close),
            on_serve=lambda: listener.serve(raw),
            on_end=ended,
        )
        self._relays.add(relay)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(relay.client_side, raw)
        except BaseException:
            self._relays.discard(relay)
            raise

    def _refuse(self, raw: socket.socket) -> None:
        """Refuse a client because every connection has a request in progress."""
        self.refused += 1
        with raw, suppress(OSError):
            raw.send(BUSY if self.settings.protocol == "http" else b"")
            raw.shutdown(socket.SHUT_WR)


def _follower(settings: ProxySettings, worker: Worker) -> Callable[[], Follower]:
    """Return a function that makes followers for the protocol in *settings*."""
    match settings.protocol:
        case "http":
            from nilometer_agent.proxy.http1 import Http1

            return lambda: Http1(settings, worker)
        case "grpc":
            from nilometer_agent.proxy.http2 import Http2

            return lambda: Http2(settings, worker)
