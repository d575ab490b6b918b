"""Parses the addresses on which the collector listens, and recognises loopback addresses."""

from typing import NamedTuple

from nilometer.settings.loopback import is_loopback_address
from nilometer.values.errors import ConfigError


class Address(NamedTuple):
    """A host and a port; port 0 chooses a free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(key: str, text: str) -> Address:
    """Parse ``host:port`` or ``[v6]:port``.

    Raises:
        ConfigError: If *text* has another form; the message names *key*.
    """
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    fine = separator and host and port.isascii() and port.isdigit() and len(port) <= 5
    if not fine or int(port) > 65_535:
        raise ConfigError(f"{key} = {text!r}: must be host:port with a port of 0 to 65535")
    return Address(host, int(port))


def is_loopback(host: str) -> bool:
    """Whether *host* is a literal loopback address or ``localhost``."""
    return host.lower() == "localhost" or is_loopback_address(host)


def require_loopback(key: str, text: str) -> Address:
    """Parse a loopback address; it is required without principals, which means no authentication.

    Raises:
        ConfigError: If the address is not a loopback address; the message names *key*.
    """
    address = parse_address(key, text)
    if not is_loopback(address.host):
        raise ConfigError(
            f"{key} = {text!r}: must be a loopback address such as 127.0.0.1, because callers are "
            "not authenticated: to listen elsewhere, set a certificate and principals (for HTTP, a "
            "principal with read or write)"
        )
    return address
