"""The settings of a proxy of the agent."""

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
    """An address to listen on or connect to: a path of a Unix socket, or host and port."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def of(cls, key: str, text: str) -> "Address":
        """Parse an address.

        Args:
            key: Name of the setting, for the error.
            text: ``port`` of this machine, ``host:port``, ``[v6]:port`` or ``unix:/path``.

        Raises:
            ConfigError: If *text* has none of these forms.
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
    """One proxy: its address, its server, and how requests are observed.

    A proxy also has every setting of the middleware, except ``agent`` and ``directory``: it always
    uses this agent.

    Attributes:
        listen: Address for clients: ``8080`` accepts clients of this machine only, ``0.0.0.0:8080``
            accepts any, ``unix:/path`` is a socket for this user.
        upstream: Address of the server, in the same notation. The proxy connects without TLS.
        protocol: Protocol of the server: ``http`` for HTTP/1.1 and 1.0; ``grpc`` for gRPC and other
            HTTP/2 without TLS.
        max_head_bytes: Largest head of a request, and largest trailers; a larger one is refused
            with 431.
        max_connections: Largest number of clients at once. A further client replaces the one that
            has been idle longest. If all clients have requests in progress, it gets a 503.
        peers_by_address: Whether clients can be told apart by their addresses. If so, at most a
            quarter of ``max_connections`` may be idle clients of one address.
        connect_seconds: Longest time to connect to the server; after it the client gets a 502.
        head_seconds: Longest time to receive the head of a request; after it the client gets a 408.
        drain_seconds: Longest time that a stopping agent waits for requests in progress to end.
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
            raise ConfigError(f"listen = {self.listen!r}: must differ from upstream")
        if self.protocol == "grpc" and self.return_prediction_id:
            raise ConfigError("return_prediction_id: a gRPC proxy does not change responses")

    @property
    def listening(self) -> Address:
        """Address for clients."""
        return Address.of("listen", self.listen)

    @property
    def server(self) -> Address:
        """Address of the server."""
        return Address.of("upstream", self.upstream)


def check_all(proxies: tuple[ProxySettings, ...]) -> None:
    """Check that the proxies work together.

    Raises:
        ConfigError: If they conflict; the message is one line.
    """
    for proxy in proxies:
        if proxy.agent != AUTO or proxy.directory:
            raise ConfigError(
                f"proxy of {proxy.entity!r}: remove agent and directory, because a proxy uses those of this agent"
            )
    taken = [proxy.listening for proxy in proxies if proxy.listening.port or proxy.listening.path]
    for address in taken:
        if taken.count(address) > 1:
            raise ConfigError(f"proxy: listen = '{address}' is used by two proxies")
