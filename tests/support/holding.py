"""Peers that occupy a collector: each opens many connections and sends very little."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any

import grpc

from nilometer.wire.services import CHANNEL_OPTIONS

SHIP = "/nilometer.v1.CollectorService/Ship"
CHECK = "/grpc.health.v1.Health/Check"
HELLO = b"\x16\x03\x01\x02"  # the start of a TLS record
HEADERS = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "
BODY = (
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: {}\r\nContent-Length: 4000\r\n\r\ntoken="
)


def address(text: str) -> tuple[str, int]:
    """Host and port of ``host:port``, with or without a scheme."""
    host, _, port = text.rpartition("/")[2].rpartition(":")
    return host, int(port)


@contextmanager
def silent_sockets(where: str, first: bytes, count: int) -> Iterator[list[socket.socket]]:
    """*count* connections, each of which sends *first* and then nothing."""
    held: list[socket.socket] = []
    try:
        for _ in range(count):
            with suppress(OSError):
                one = socket.create_connection(address(where), 5.0)
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
) -> Iterator[None]:
    """*count* calls that send their headers and no message, over so many *connections*."""
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
        yield
    finally:
        released.set()
        for call in calls:
            call.cancel()
        for channel in channels:
            channel.close()


def trusted(ca: str) -> ssl.SSLContext:
    """A client's side of TLS."""
    return ssl.create_default_context(cafile=ca)
