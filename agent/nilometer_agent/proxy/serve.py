"""The proxies of one agent, on one event loop."""

import asyncio
import logging
import os
import time
from collections.abc import Callable

from nilometer.handoff.guard import Guard
from nilometer.handoff.worker import Worker
from nilometer.values.errors import ConfigError
from nilometer_agent.proxy.follower import Follower
from nilometer_agent.proxy.relay import Relay
from nilometer_agent.proxy.settings import ProxySettings

BACKLOG = 1024  # connections that the kernel holds before they are taken
POLL_SECONDS = 0.05
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\n"
    b"connection: close\r\n\r\n"
)

log = logging.getLogger("nilometer.agent")


class Door:
    """One listener and the relays behind it. `open`, then `close`.

    Args:
        settings: Of the proxy; its agent is named.
    """

    def __init__(self, settings: ProxySettings) -> None:
        self.settings = settings
        self.worker = Worker(settings, Guard())
        self.refused = 0  # clients over `max_connections`
        self._relays: set[Relay] = set()
        self._follower = _follower(settings, self.worker)
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 on a Unix socket."""
        if self._server is None or self.settings.listening.path:
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """Clients at present."""
        return len(self._relays)

    async def open(self) -> None:
        """Listen.

        Raises:
            ConfigError: If the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        address = self.settings.listening
        try:
            if address.path:
                previous = os.umask(0o177)
                try:
                    self._server = await loop.create_unix_server(
                        self._side, address.path, backlog=BACKLOG
                    )
                finally:
                    os.umask(previous)
            else:
                self._server = await loop.create_server(
                    self._side, address.host, address.port, backlog=BACKLOG
                )
        except OSError as error:
            raise ConfigError(
                f"proxy: listen = '{address}': cannot be bound: {error.strerror or error}"
            ) from error
        # Before the first request: what is observed from its first byte must have a place to go.
        self.worker.ensure_started()
        log.info(
            "proxy ready",
            extra={
                "listen": str(address),
                "upstream": str(self.settings.server),
                "entity": self.settings.entity,
            },
        )

    async def close(self) -> None:
        """Take no more clients, let what is under way end within `drain_seconds`, hand on."""
        if self._server is not None:
            self._server.close()
        deadline = time.monotonic() + self.settings.drain_seconds
        while self._relays:
            patient = time.monotonic() < deadline
            for relay in [*self._relays]:
                if relay.idle or not patient:
                    relay.close()
            await asyncio.sleep(POLL_SECONDS if patient else 0)
        await asyncio.to_thread(self.worker.stop)

    def _side(self) -> asyncio.Protocol:
        if len(self._relays) >= self.settings.max_connections:
            self.refused += 1
            return _Refusing(BUSY if self.settings.protocol == "http" else b"")
        settings = self.settings
        relay = Relay(
            self._follower(),
            self.worker,
            settings.server,
            connect_seconds=settings.connect_seconds,
            head_seconds=settings.head_seconds,
            on_end=self._relays.discard,
        )
        self._relays.add(relay)
        return relay.client_side()


class _Refusing(asyncio.Protocol):
    """Says that there is no room, and closes."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what a listener makes
        transport.write(self._said)
        transport.close()


def _follower(settings: ProxySettings, worker: Worker) -> Callable[[], Follower]:
    """What reads along, of the protocol that *settings* name."""
    match settings.protocol:
        case "http":
            from nilometer_agent.proxy.http1 import Http1

            return lambda: Http1(settings, worker)
        case "grpc":
            from nilometer_agent.proxy.http2 import Http2

            return lambda: Http2(settings, worker)
