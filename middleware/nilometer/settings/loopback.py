"""Recognises hosts that always mean this machine."""

import ipaddress
import re

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^\[\]:/,]+)):\d{1,5}", re.ASCII)
_FOUR = ipaddress.ip_network("127.0.0.0/8")
_SIX = ipaddress.ip_address("::1")


def is_loopback_address(host: str) -> bool:
    """Return whether *host* is an address of 127.0.0.0/8, or ::1. Names never are."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in _FOUR if address.version == 4 else address == _SIX


def is_this_machine(host: str) -> bool:
    """Return whether *host* is a loopback address, or ``localhost`` with only such addresses."""
    if host.lower() != "localhost":
        return is_loopback_address(host)
    import socket  # takes 3 ms, and most programs check an address

    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return bool(found) and all(is_loopback_address(str(where[0])) for *_, where in found)


def host_of(address: str) -> str:
    """Return the host of ``host:port`` or ``[v6]:port``; empty if *text* has another form."""
    match = _ADDRESS.fullmatch(address)
    return (match["six"] or match["host"]) if match else ""
