"""What the relay does to a connection: connect, pause, reset."""

import asyncio
import logging
import socket
import struct

FULL_SECONDS = 0.01  # between attempts to connect to a Unix socket that has no room
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed ends with a reset

log = logging.getLogger("nilometer.agent")


async def connected(path: str) -> socket.socket:
    """A Unix socket that the server has room for.

    asyncio takes "no room" for a connection that is under way, and then for one that stands.
    """
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(0)
        try:
            connection.connect(path)
        except BlockingIOError:
            connection.close()
            await asyncio.sleep(FULL_SECONDS)
        except OSError:
            connection.close()
            raise
        else:
            return connection


def set_reading(transport: asyncio.Transport, *, reads: bool) -> None:
    """Read from *transport*, or stop reading; nothing where it is closing."""
    if transport.is_closing():
        return
    if reads:
        transport.resume_reading()  # both are no-ops where it is so already
    else:
        transport.pause_reading()


def reset(transport: asyncio.Transport) -> None:
    """End with a reset, as the other side's connection ended."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        except OSError:  # it is gone
            log.debug("closed before it was reset")
    transport.abort()
