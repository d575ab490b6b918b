"""Checks which user runs the process at the other end of a Unix socket."""

import os
import socket
import struct
from collections.abc import Collection

ROOT = 0
_LINUX = struct.Struct("iII")  # pid, uid, gid: unix(7), SO_PEERCRED
_DARWIN = struct.Struct("II")  # version and uid, the first fields of `struct xucred`
_SOL_LOCAL, _LOCAL_PEERCRED = 0, 1


class ForeignPeer(PermissionError):
    """The process at the other end runs as an untrusted user."""


def check_peer(connection: socket.socket, allowed_uids: Collection[int]) -> None:
    """Check that the peer runs as this user, as root, or as one of *allowed_uids*.

    If the system does not report the user, only the permissions of the socket's file give
    protection.

    Raises:
        ForeignPeer: If the peer runs as another user.
        OSError: If the connection is closed.
    """
    uid = peer_uid(connection)
    if uid is None or uid in {os.geteuid(), ROOT} or uid in allowed_uids:
        return
    raise ForeignPeer(
        f"the peer runs as uid {uid}: neither uid {os.geteuid()}, root nor in allowed_uids"
    )


def peer_uid(connection: socket.socket) -> int | None:
    """Return the user id of the peer process; None if the system does not report it."""
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _LINUX.size)
        return int(_LINUX.unpack(credentials)[1])
    if hasattr(socket, "LOCAL_PEERCRED"):  # macOS and the BSDs
        credentials = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 76)
        return int(_DARWIN.unpack_from(credentials)[1])
    return None
