"""The two ends of a relay, as asyncio sees them: each hands the events of its connection on."""

import asyncio
from typing import Protocol


class ClientEvents(Protocol):
    """Hears what happens to the client's connection."""

    def client_came(self, transport: asyncio.Transport) -> None:
        """It connected."""
        ...

    def client_sent(self, data: bytes) -> None:
        """Bytes came from it."""
        ...

    def client_half_closed(self) -> bool:
        """It sends no more, and may still read; whether its connection stays open."""
        ...

    def client_lost(self, error: Exception | None) -> None:
        """Its connection is over."""
        ...

    def client_full(self, full: bool) -> None:  # noqa: FBT001  called by position
        """Whether it takes bytes slower than they come."""
        ...


class ServerEvents(Protocol):
    """Hears what happens to the server's connection."""

    def server_came(self, transport: asyncio.Transport) -> None:
        """It took the connection."""
        ...

    def server_sent(self, data: bytes) -> None:
        """Bytes came from it."""
        ...

    def server_lost(self, error: Exception | None) -> None:
        """Its connection is over."""
        ...

    def server_full(self, full: bool) -> None:  # noqa: FBT001  called by position
        """Whether it takes bytes slower than they come."""
        ...


class ClientSide(asyncio.Protocol):
    """Hands a client's events to its relay."""

    def __init__(self, relay: ClientEvents) -> None:
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what a listener makes
        self._relay.client_came(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._relay.client_sent(data)

    def eof_received(self) -> bool:
        """The far end sends no more; true keeps the connection open."""
        return self._relay.client_half_closed()

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        self._relay.client_lost(error)

    def pause_writing(self) -> None:
        """Its buffer is full."""
        self._relay.client_full(True)  # noqa: FBT003

    def resume_writing(self) -> None:
        """Its buffer has room again."""
        self._relay.client_full(False)  # noqa: FBT003


class ServerSide(asyncio.Protocol):
    """Hands a server's events to its relay."""

    def __init__(self, relay: ServerEvents) -> None:
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  what a connection is
        self._relay.server_came(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._relay.server_sent(data)

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        self._relay.server_lost(error)

    def pause_writing(self) -> None:
        """Its buffer is full."""
        self._relay.server_full(True)  # noqa: FBT003

    def resume_writing(self) -> None:
        """Its buffer has room again."""
        self._relay.server_full(False)  # noqa: FBT003
