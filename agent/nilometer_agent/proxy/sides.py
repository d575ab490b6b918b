"""The asyncio protocols of a relay's two connections. Each passes its events to the relay."""

import asyncio
from typing import Protocol


class ClientEvents(Protocol):
    """Events of the client's connection."""

    def client_came(self, transport: asyncio.Transport) -> None:
        """The client has connected."""
        ...

    def client_sent(self, data: bytes) -> None:
        """The client has sent bytes."""
        ...

    def client_half_closed(self) -> bool:
        """The client sends no more, but may still read; return whether to keep it connected."""
        ...

    def client_lost(self, error: Exception | None) -> None:
        """The client's connection is closed."""
        ...

    def client_full(self, full: bool) -> None:  # noqa: FBT001  called by position
        """The buffer to the client is full, or has room again."""
        ...


class ServerEvents(Protocol):
    """Events of the server's connection."""

    def server_came(self, transport: asyncio.Transport) -> None:
        """The server has accepted the connection."""
        ...

    def server_sent(self, data: bytes) -> None:
        """The server has sent bytes."""
        ...

    def server_lost(self, error: Exception | None) -> None:
        """The server's connection is closed."""
        ...

    def server_full(self, full: bool) -> None:  # noqa: FBT001  called by position
        """The buffer to the server is full, or has room again."""
        ...


class ClientSide(asyncio.Protocol):
    """Passes a client's events to its relay."""

    def __init__(self, relay: ClientEvents) -> None:
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what a listener makes
        self._relay.client_came(transport)

    def data_received(self, data: bytes) -> None:
        """The client has sent bytes."""
        self._relay.client_sent(data)

    def eof_received(self) -> bool:
        """The client sends no more; true keeps the connection open."""
        return self._relay.client_half_closed()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        self._relay.client_lost(error)

    def pause_writing(self) -> None:
        """The buffer to the client is full."""
        self._relay.client_full(True)  # noqa: FBT003

    def resume_writing(self) -> None:
        """The buffer to the client has room again."""
        self._relay.client_full(False)  # noqa: FBT003


class ServerSide(asyncio.Protocol):
    """Passes a server's events to its relay."""

    def __init__(self, relay: ServerEvents) -> None:
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what a connection is
        self._relay.server_came(transport)

    def data_received(self, data: bytes) -> None:
        """The server has sent bytes."""
        self._relay.server_sent(data)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        self._relay.server_lost(error)

    def pause_writing(self) -> None:
        """The buffer to the server is full."""
        self._relay.server_full(True)  # noqa: FBT003

    def resume_writing(self) -> None:
        """The buffer to the server has room again."""
        self._relay.server_full(False)  # noqa: FBT003
