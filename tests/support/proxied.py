"""A proxy on its own event loop, and raw servers behind it."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from nilometer.handoff import worker
from nilometer.profiling.observation import Observation
from nilometer.testing import MemoryOutlet, eventually
from nilometer_agent.proxy.serve import ProxyServer
from nilometer_agent.proxy.settings import ProxySettings

SECONDS = 60.0
HOST = "127.0.0.1"

Handler = Callable[[socket.socket], None]


class Raw:
    """A server that passes each connection to *handler*, in its own thread."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(SECONDS)
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._handler(connection)
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._listener.close()


@contextmanager
def raw_server(handler: Handler) -> Iterator[Raw]:
    """Run a server of raw bytes."""
    server = Raw(handler)
    try:
        yield server
    finally:
        server.close()


class Proxied:
    """A proxy in front of *port*, and its observations."""

    def __init__(self, port: int, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.outlet = MemoryOutlet()
        monkeypatch.setattr(worker, "open_outlet", lambda _: self.outlet)
        upstream = options.pop("upstream", f"{HOST}:{port}")
        told = {"entity": "scorer", "listen": "0", "flush_seconds": 0.005, "drain_seconds": 0.2}
        self.proxy_server = ProxyServer(ProxySettings(upstream=upstream, **{**told, **options}))
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._run(self.proxy_server.open())
        self.port = self.proxy_server.port

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def observed(self, count: int = 1) -> list[Observation]:
        """Return the observations after *count* of them have arrived."""
        eventually(lambda: len(self.outlet.captured) >= count)
        assert len(self.outlet.captured) == count
        return self.outlet.captured

    def close(self) -> None:
        self._run(self.proxy_server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        eventually(lambda: not self.loop.is_running())
        self.loop.close()


@contextmanager
def proxied(port: int, **options: Any) -> Iterator[Proxied]:
    """Run a proxy in front of *port*; check that it ends empty, unless faults are expected."""
    faulty = options.pop("drops_in_flight", False)
    with pytest.MonkeyPatch.context() as monkeypatch:
        proxy = Proxied(port, monkeypatch, **options)
        try:
            yield proxy
        finally:
            proxy.close()
        eventually(lambda: not proxy.proxy_server.connections)
        assert faulty or proxy.proxy_server.worker.in_flight == 0


@contextmanager
def client(port: int) -> Iterator[socket.socket]:
    """Open a connection."""
    with socket.create_connection((HOST, port), timeout=SECONDS) as connection:
        yield connection


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Return the bytes up to *end*; all bytes if the connection ends earlier."""
    read = b""
    while not read.endswith(end):
        more = connection.recv(65536)
        if not more:
            break
        read += more
    return read


def read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """Return a head, and the bytes that arrived with it."""
    read = b""
    while b"\r\n\r\n" not in read:
        more = connection.recv(65536)
        if not more:
            break
        read += more
    head, _, rest = read.partition(b"\r\n\r\n")
    return head, rest


def read_all(connection: socket.socket) -> tuple[bytes, str]:
    """Return all bytes until the end, and how the connection ended."""
    read = b""
    try:
        while more := connection.recv(65536):
            read += more
    except ConnectionResetError:
        return read, "reset"
    return read, "closed"


def both(
    handler: Handler, talk: Callable[[socket.socket], Any], **options: Any
) -> tuple[Any, Any, Proxied]:
    """Return the result of *talk* with a server alone, and with it behind a proxy."""
    with raw_server(handler) as server:
        with client(server.port) as connection:
            bare = talk(connection)
        with proxied(server.port, **options) as proxy:
            with client(proxy.port) as connection:
                seen = talk(connection)
            eventually(lambda: proxy.proxy_server.connections == 0)
        return bare, seen, proxy
