"""Who is at the other end of a Unix socket."""

import os
import socket
import struct
from collections.abc import Collection

ROOT = 0
_LINUX = struct.Struct("iII")  # pid, uid, gid: unix(7), SO_PEERCRED
_DARWIN = struct.Struct("II")  # version, uid: the head of `struct xucred`
_SOL_LOCAL, _LOCAL_PEERCRED = 0, 1


class ForeignPeer(PermissionError):
    """The process at the other end runs as a user that is not trusted."""


def check_peer(connection: socket.socket, allowed_uids: Collection[int]) -> None:
    """Check that the peer runs as this user, as root, or as one of *allowed_uids*.

    Where the system does not tell, the permissions of the socket's file are all there is.

    Raises:
        ForeignPeer: If it runs as another user.
        OSError: If the connection is gone.
    """
    uid = peer_uid(connection)
    if uid is None or uid in {os.geteuid(), ROOT} or uid in allowed_uids:
        return
    raise ForeignPeer(
        f"the peer runs as uid {uid}: neither uid {os.geteuid()}, root nor in allowed_uids"
    )


def peer_uid(connection: socket.socket) -> int | None:
    """User id of the process at the other end; None where the system does not tell."""
    if hasattr(socket, "SO_PEERCRED"):
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _LINUX.size)
        return int(_LINUX.unpack(told)[1])
    if hasattr(socket, "LOCAL_PEERCRED"):  # macOS and the BSDs
        told = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 76)
        return int(_DARWIN.unpack_from(told)[1])
    return None
