"""Addresses the collector listens on, and which of them stay on this machine."""

from typing import NamedTuple

from nilometer.settings.loopback import is_loopback_address
from nilometer.values.errors import ConfigError


class Address(NamedTuple):
    """A host and a port; port 0 takes any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(key: str, text: str) -> Address:
    """``host:port`` or ``[v6]:port``.

    Raises:
        ConfigError: Naming *key*.
    """
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    fine = separator and host and port.isascii() and port.isdigit() and len(port) <= 5
    if not fine or int(port) > 65_535:
        raise ConfigError(f"{key} = {text!r}: must be host:port with a port of 0 to 65535")
    return Address(host, int(port))


def is_loopback(host: str) -> bool:
    """Whether *host* can only mean this machine: a literal address or ``localhost``."""
    return host.lower() == "localhost" or is_loopback_address(host)


def require_loopback(key: str, text: str) -> Address:
    """The address of *text*, which must stay on this machine: nobody is asked who they are.

    Raises:
        ConfigError: Naming *key*.
    """
    address = parse_address(key, text)
    if not is_loopback(address.host):
        raise ConfigError(
            f"{key} = {text!r}: must be a loopback address such as 127.0.0.1, because nobody is "
            "asked who they are; set principals and a certificate (for HTTP, one with read or "
            "write)"
        )
    return address
