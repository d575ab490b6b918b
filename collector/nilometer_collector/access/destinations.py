"""Decides to which addresses the collector may connect: public ones, and those a setting allows.

A host name can resolve to any address, and to a different one a moment later. So the collector
checks the resolved addresses when it opens a connection, and only connects to a checked address.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from nilometer.values.errors import ConfigError
from nilometer_collector.access.secret import Secret

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # the last 32 bits are an IPv4 address
# Metadata services of clouds, which return credentials: Azure, Oracle, Alibaba, AWS, Google.
# 169.254.169.254 is a link-local address.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "168.63.129.16",
            "192.0.0.192",
            "100.100.100.200",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
        ),
    )
)

# Names of the machine itself in the usual files of hosts, and names of the metadata services.
_LOOPBACK_NAMES = frozenset(
    {
        "localhost",
        "localhost.localdomain",
        "localhost4",
        "localhost6",
        "ip6-localhost",
        "ip6-loopback",
    }
    | {"localhost4.localdomain4", "localhost6.localdomain6", "broadcasthost", "loopback"}
)
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data"}
    | {"instance-data.ec2.internal", "metadata.azure.internal", "metadata.tencentyun.com"}
)


class Reach(Enum):
    """Kind of network that an address belongs to."""

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"  # site-local and carrier networks, and every other address that is not public unicast
    LINK_LOCAL = "link-local"
    METADATA = "metadata"
    RESERVED = "reserved"  # unspecified or multicast


def reach_of(address: IPAddress) -> Reach:
    """Return the reach of *address*; an IPv6 address that embeds an IPv4 address has its reach."""
    meant = _meant(address)
    if meant in _METADATA:
        return Reach.METADATA
    if meant.is_loopback:
        return Reach.LOOPBACK
    if meant.is_link_local:
        return Reach.LINK_LOCAL
    if meant.is_unspecified or meant.is_multicast:
        return Reach.RESERVED
    return Reach.PUBLIC if _is_public(meant) else Reach.PRIVATE


@dataclass(frozen=True, slots=True)
class Allowed:
    """Addresses that the collector may connect to, besides public ones.

    Attributes:
        names: Hosts that may resolve to loopback and private addresses.
        networks: Ranges in which all addresses are allowed, even private ones.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[IPNetwork, ...] = ()

    @classmethod
    def of(cls, key: str, entries: Iterable[str]) -> "Allowed":
        """Parse *entries* of the setting *key*: host names, addresses and ranges.

        Raises:
            ConfigError: If an entry has another form; the message names *key*.
        """
        names, networks = set(), []
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError as error:
                name = _plain(entry)
                if not _HOST.fullmatch(name):
                    raise ConfigError(
                        f"{key} = {entry[:128]!r}: must be a host name, an address or a range such "
                        "as 10.0.0.0/8"
                    ) from error
                names.add(name)
        return cls(frozenset(names), tuple(networks))

    def refusal(self, host: str, address: IPAddress) -> str:
        """Return why *host* may not be reached at *address*; empty if it may."""
        reach, meant = reach_of(address), _meant(address)
        if reach is Reach.PUBLIC or any(meant in network for network in self.networks):
            return ""
        by_name = reach in {Reach.LOOPBACK, Reach.PRIVATE}
        if by_name and _plain(host) in self.names:
            return ""
        remedy = "name the host or its range" if by_name else "name its range"
        return (
            f"{host} resolves to {address}, a {reach.value} address: {remedy} in webhook_allow to "
            "allow it"
        )


@dataclass(frozen=True, slots=True)
class Destination:
    """Webhook that receives notifications; false if no webhook is set.

    Attributes:
        url: URL of the webhook.
        allowed: Addresses that its host may have, in addition to public ones.
        plain: Whether plain HTTP may go to a private address, because nothing in the request is
            secret.
    """

    url: Secret
    allowed: Allowed = Allowed()
    plain: bool = False

    def __bool__(self) -> bool:
        return bool(self.url)


def addresses_of(host: str, *, numeric: bool = False) -> list[IPAddress]:
    """Resolve *host*, preferred address first; blocks during the name lookup.

    Args:
        host: Name or literal address in ASCII, in any notation of the system's resolver, such as
            127.1 and 0x7f000001.
        numeric: Whether only literal addresses are accepted; a name is then an error.

    Raises:
        OSError: If the host has no address.
    """
    flags = socket.AI_NUMERICHOST if numeric else 0
    found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(ipaddress.ip_address(place[0]) for *_, place in found))


def known_refusal(host: str, allowed: Allowed) -> str:
    """Return why *host* is refused, if that is known without a name lookup; otherwise empty."""
    name = _plain(host)
    if name in _LOOPBACK_NAMES or name.endswith(".localhost"):
        return allowed.refusal(host, ipaddress.ip_address("127.0.0.1"))
    if name in _METADATA_NAMES:
        return allowed.refusal(host, ipaddress.ip_address("169.254.169.254"))
    with suppress(OSError, UnicodeError):
        for address in addresses_of(name.partition("%")[0], numeric=True):  # without its zone
            if refusal := allowed.refusal(host, address):
                return refusal
        return ""
    if not is_host_name(name):
        return "its host must be an address, or a name of ASCII letters, digits, hyphens and dots"
    return ""


def is_host_name(text: str) -> bool:
    """Return whether *text* has the form of a host name in ASCII, in lower case."""
    return _HOST.fullmatch(text) is not None and ".." not in text


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _meant(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 *address* embeds; otherwise *address*."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address


def _is_public(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global
    tunnel = address.sixtofour or address.teredo
    return address in _GLOBAL_UNICAST and address.is_global and tunnel is None
