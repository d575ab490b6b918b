"""Clients that occupy a server: each opens many connections and sends very little."""

import os
import resource
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import grpc

from nilometer.wire.services import CHANNEL_OPTIONS

SHIP = "/nilometer.v1.CollectorService/Ship"
FOR_EVER = 3600.0  # a limit that tests never reach
CHECK = "/grpc.health.v1.Health/Check"
HELLO = b"\x16\x03\x01\x02"  # the start of a TLS record
HEADERS = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "
BODY = (
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: {}\r\nContent-Length: 4000\r\n\r\ntoken="
)


def address(text: str) -> tuple[str, int]:
    """Return host and port of ``host:port``, with or without a scheme."""
    host, _, port = text.rpartition("/")[2].rpartition(":")
    return host, int(port)


@contextmanager
def silent_sockets(where: str, first: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Open *count* connections, each of which sends *first* and then nothing."""
    held: list[socket.socket] = []
    try:
        for _ in range(count):
            with suppress(OSError):
                one = socket.create_connection(address(where), 60.0)
                held.append(one)
                one.sendall(first)
        yield held
    finally:
        for one in held:
            one.close()


@contextmanager
def half_open_calls(
    where: str,
    method: str,
    count: int,
    *,
    ca: bytes | None = None,
    metadata: tuple[tuple[str, str], ...] = (),
    connections: int = 1,
) -> Iterator[list[Any]]:
    """Open *count* calls that send headers but no message, over *connections* connections."""
    released = Event()

    def nothing() -> Iterator[bytes]:
        released.wait()
        yield from ()

    options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
    secure = None if ca is None else grpc.ssl_channel_credentials(ca)
    channels = [
        grpc.insecure_channel(where, options=options)
        if secure is None
        else grpc.secure_channel(where, secure, options=options)
        for _ in range(connections)
    ]
    methods: list[Any] = [channel.stream_unary(method) for channel in channels]
    calls = [
        methods[number % connections].future(nothing(), metadata=metadata)
        for number in range(count)
    ]
    try:
        yield calls
    finally:
        released.set()
        for call in calls:
            call.cancel()
        for channel in channels:
            channel.close()


def is_closed(one: socket.socket) -> bool:
    """Return whether the server has closed *one*."""
    one.settimeout(0)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def is_ended(one: socket.socket, sent: bytes) -> bool:
    """Return whether a client that only sends *sent* repeatedly is ended in a minute."""
    one.settimeout(0.2)
    until = time.monotonic() + 60.0
    while time.monotonic() < until:
        try:
            one.sendall(sent)
        except TimeoutError:  # the other side does not read
            continue
        except ConnectionError:
            return True
        time.sleep(0.05)
    return False


@contextmanager
def no_descriptor_left() -> Iterator[socket.socket]:
    """Return a new socket, while this process can open no further files."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as undone:
        one = undone.enter_context(socket.socket())
        one.settimeout(60.0)
        used = max(int(file.name) for file in Path("/proc/self/fd").iterdir())
        undone.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 8, limits[1]))
        with suppress(OSError):
            while True:
                undone.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        yield one


def trusted(ca: str) -> ssl.SSLContext:
    """Return the client's TLS context."""
    return ssl.create_default_context(cafile=ca)
