"""The connection to the collector, and a probe that finds out why the collector does not answer.

The channel is opened again whenever a credentials file changes. gRPC reports every failed handshake
as "unavailable". `Dial.probe` does the handshake itself, so that it can distinguish a collector that
is down from one that refuses this agent.
"""

import logging
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

import grpc

import nilometer
from nilometer.settings import secrets as secret_files
from nilometer.settings.credentials import SYSTEM, Credentials
from nilometer.values.errors import ConfigError
from nilometer.wire.channel import call_metadata, open_channel
from nilometer.wire.services import collector_stub

PROBE_SECONDS = 3.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_GRPC_NAME = re.compile(r"(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):|.*,")
TLS_ALERT, TLS_HANDSHAKE = 0x15, 0x16  # first byte of a TLS record

log = logging.getLogger("nilometer.agent")


class Reach(Enum):
    """The result of a probe."""

    ANSWERS = "answers"
    DOWN = "down"  # no connection, or not in time
    TLS = "tls"  # connected, but the handshake fails


class Dial:
    """Calls the collector, with a deadline and the agent's credentials. Any thread may call.

    Args:
        address: ``host:port``.
        credentials: Credentials of this agent.
    """

    def __init__(self, address: str, credentials: Credentials) -> None:
        self.address = address
        self._credentials = credentials
        self._lock = threading.Lock()
        self._open: _Open | None = None

    def Ship(self, request: Any, timeout: float) -> Any:  # noqa: N802  the contract's name
        """Call `Ship` of the service; raises `grpc.RpcError`, or `OSError` if a file is missing."""
        with self._dialled() as there:
            return there.stub.Ship(request, timeout=timeout, metadata=there.metadata)

    def GetPlan(self, request: Any, timeout: float) -> Any:  # noqa: N802  as above
        """Call `GetPlan` of the service; raises the same errors as `Ship`."""
        with self._dialled() as there:
            return there.stub.GetPlan(request, timeout=timeout, metadata=there.metadata)

    def close(self) -> None:
        """Close the channel and end its calls. May be called twice."""
        with self._lock:
            there, self._open = self._open, None
        if there is not None:
            there.channel.close()

    def probe(self) -> tuple[Reach, str]:
        """Return the result of probing the address, and the reason if the connection fails."""
        host, _, port = self.address.rpartition(":")
        if not port.isdecimal():
            return Reach.DOWN, f"{self.address!r} has no port"
        try:
            with socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS) as raw:
                raw.settimeout(PROBE_SECONDS)
                return self._shake(raw, host)
        except ssl.SSLError as error:
            return Reach.TLS, _reason(error)
        except (OSError, ValueError) as error:
            return Reach.DOWN, str(error)

    def warn_if_silent(self) -> None:
        """Log a warning if nothing answers at ``host:port``. Other gRPC targets are not tested."""
        if _GRPC_NAME.match(self.address):
            return
        reach, why = self.probe()
        if reach is not Reach.ANSWERS:
            log.warning(
                "collector does not answer, rows are kept until it does: `collector` must be the "
                "host:port of its gRPC",
                extra={"collector": self.address, "reason": why},
            )

    def _shake(self, raw: socket.socket, host: str) -> tuple[Reach, str]:
        if not self._credentials.ca:
            raw.sendall(PREFACE)
            first = raw.recv(1)
            if first and first[0] in (TLS_ALERT, TLS_HANDSHAKE):
                return Reach.TLS, "the collector wants TLS; set tls_ca"
            if first:
                return Reach.ANSWERS, ""
            return self._closed()
        context = ssl.create_default_context()
        if self._credentials.ca != SYSTEM:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(self._credentials.ca)
        if self._credentials.certificate:
            context.load_cert_chain(self._credentials.certificate, self._credentials.key or None)
        context.set_alpn_protocols(["h2"])
        name = self._credentials.server_name or host.strip("[]")
        with context.wrap_socket(raw, server_hostname=name) as secure:
            # If the collector refuses this agent's certificate, the first read fails.
            secure.sendall(PREFACE)
            if not secure.recv(1):
                return Reach.TLS, "closed after the handshake: is a client certificate missing?"
        return Reach.ANSWERS, ""

    def _closed(self) -> tuple[Reach, str]:
        """Return whether a server that closes plain HTTP/2 expects TLS."""
        host, _, port = self.address.rpartition(":")
        name = host.strip("[]")
        context = ssl.create_default_context()
        context.set_alpn_protocols(["h2"])
        with socket.create_connection((name, int(port)), PROBE_SECONDS) as raw:
            raw.settimeout(PROBE_SECONDS)
            try:
                context.wrap_socket(raw, server_hostname=name).close()
            except ssl.SSLCertVerificationError:
                pass  # the server speaks TLS, but no CA is set to verify it
            except ssl.SSLError:
                return Reach.DOWN, "the server closed the connection without an answer"
        return Reach.TLS, "the collector wants TLS; set tls_ca"

    @contextmanager
    def _dialled(self) -> Iterator["_Open"]:
        """The channel with the current credentials; it stays open while a call uses it."""
        with self._lock:
            stamp = self._credentials.stamp()
            there, old = self._open, self._open
            if there is None or there.stamp != stamp:
                if old is not None:
                    log.info("credentials changed, opening a new channel")
                there = self._open = self._opened(stamp)
                self._close_unused(old)
            there.calls += 1
        try:
            yield there
        finally:
            with self._lock:
                there.calls -= 1
                if there is not self._open:
                    self._close_unused(there)

    def _opened(self, stamp: tuple[object, ...]) -> "_Open":
        secret_files.warn(log, (self._credentials.token, self._credentials.key))
        try:
            shown = call_metadata(self.address, self._credentials)
        except ConfigError as error:  # the address no longer resolves to loopback
            raise PermissionError(str(error)) from error
        channel = open_channel(self.address, self._credentials)
        metadata = (("nilometer-version", nilometer.__version__), *shown)
        return _Open(stamp, channel, collector_stub(channel), metadata)

    @staticmethod
    def _close_unused(there: "_Open | None") -> None:
        if there is not None and not there.calls:
            there.channel.close()


@dataclass(slots=True, eq=False)
class _Open:
    """A channel and the metadata of its calls.

    Attributes:
        stamp: State of the credentials files when the channel was opened.
        channel: Channel to the collector.
        stub: Methods of the collector.
        metadata: Metadata of each call.
        calls: Number of calls in progress.
    """

    stamp: tuple[object, ...]
    channel: grpc.Channel
    stub: Any
    metadata: Sequence[tuple[str, str]]
    calls: int = 0


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the collector's certificate: {error.verify_message}"
    return (error.reason or str(error)).lower().replace("_", " ")
