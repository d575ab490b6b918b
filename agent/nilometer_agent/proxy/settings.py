"""What a proxy of the agent can be told."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from nilometer.handoff.settings import AUTO, CaptureSettings
from nilometer.values.errors import ConfigError

LOOPBACK = "127.0.0.1"
UNIX = "unix:"

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/]+):)?(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Address:
    """Where one listens or connects: a path of a Unix socket, or host and port."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def of(cls, key: str, text: str) -> "Address":
        """The address that *text* names.

        Args:
            key: Of the setting, for the error.
            text: ``port`` of this machine, ``host:port``, ``[v6]:port`` or ``unix:/path``.

        Raises:
            ConfigError: If it is none of them.
        """
        if text.startswith(UNIX + "/"):
            return cls(path=text.removeprefix(UNIX))
        found = _ADDRESS.fullmatch(text)
        if found is None or int(found["port"]) > 65535:
            raise ConfigError(
                f"{key} = {text!r}: must be 'port', 'host:port' or 'unix:/path'; 0.0.0.0:port is "
                "every address of this machine"
            )
        return cls(host=(found["host"] or LOOPBACK).strip("[]"), port=int(found["port"]))

    def __str__(self) -> str:
        if self.path:
            return UNIX + self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ProxySettings(CaptureSettings, frozen=True, kw_only=True):
    """One proxy: where it listens, what stands behind it, and how that is observed.

    Every setting of the middleware counts here, too, but ``agent`` and ``directory``: they are this
    agent's.

    Attributes:
        listen: Where clients come: ``8080`` is of this machine only, ``0.0.0.0:8080`` of every
            address, ``unix:/path`` a socket for this user.
        upstream: Where the server is, in the same notation. It is spoken to without TLS.
        protocol: ``http`` for HTTP/1.1 and 1.0; ``grpc`` for gRPC, or anything else over HTTP/2
            without TLS.
        max_head_bytes: Cap for the head of a request, and for trailers; over it the request is
            refused with 431.
        max_connections: Clients at once. Who comes after takes the place of the client that has kept
            the proxy waiting for longest; where every one has a request under way, it is refused with 503.
        peers_by_address: Whether the addresses of clients tell them apart: then a quarter of
            ``max_connections`` is the most that may wait of one address.
        connect_seconds: Longest time until the server takes a connection; then 502.
        head_seconds: Longest time for the head of a request to arrive; then 408.
        drain_seconds: Longest time that the end of the agent waits for requests under way.
    """

    listen: str
    upstream: str
    protocol: Literal["http", "grpc"] = "http"
    max_head_bytes: Annotated[int, Meta(ge=1024, le=1 << 20)] = 64 << 10
    max_connections: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    peers_by_address: bool = False
    connect_seconds: Annotated[float, Meta(ge=0.01, le=300.0)] = 5.0
    head_seconds: Annotated[float, Meta(ge=0.01, le=3600.0)] = 60.0
    drain_seconds: Annotated[float, Meta(ge=0.0, le=3600.0)] = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.listening == self.server and self.server.port != 0:
            raise ConfigError(f"listen = {self.listen!r}: is the upstream's own address")
        if self.protocol == "grpc" and self.return_prediction_id:
            raise ConfigError("return_prediction_id: gRPC answers pass as they are")

    @property
    def listening(self) -> Address:
        """Where clients come."""
        return Address.of("listen", self.listen)

    @property
    def server(self) -> Address:
        """Where the server is."""
        return Address.of("upstream", self.upstream)


def check_all(proxies: tuple[ProxySettings, ...]) -> None:
    """Refuse what would not work together.

    Raises:
        ConfigError: With one line that says what is wrong.
    """
    for proxy in proxies:
        if proxy.agent != AUTO or proxy.directory:
            raise ConfigError(
                f"proxy of {proxy.entity!r}: agent and directory are those of the agent itself"
            )
    taken = [proxy.listening for proxy in proxies if proxy.listening.port or proxy.listening.path]
    for address in taken:
        if taken.count(address) > 1:
            raise ConfigError(f"proxy: listen = '{address}' appears twice")
