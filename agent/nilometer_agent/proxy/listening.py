"""Binds the sockets of a proxy's address."""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from nilometer_agent.proxy.settings import Address


def bound(address: Address) -> list[socket.socket]:
    """Return bound sockets: one for a path, or one for each address of a host.

    This blocks while a host name is looked up.

    Raises:
        OSError: If an address cannot be bound.
    """
    if address.path:
        return [_bound_path(Path(address.path))]
    made: list[socket.socket] = []
    try:
        for family, kind, protocol, _, where in socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            one = socket.socket(family, kind, protocol)
            made.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(where)
    except OSError:
        for one in made:
            one.close()
        raise
    return made


def _bound_path(path: Path) -> socket.socket:
    """Return a socket that only this user may open; it replaces an existing socket."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        one.bind(str(path))
    except OSError:
        one.close()
        raise
    finally:
        os.umask(previous)
    return one
