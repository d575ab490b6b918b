"""Operations of a relay on connections: connect, pause, reset."""

import asyncio
import logging
import socket
import struct

FULL_SECONDS = 0.01  # time between attempts to connect to a Unix socket whose queue is full
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset

log = logging.getLogger("nilometer.agent")


async def connected(path: str) -> socket.socket:
    """Return a Unix socket that is connected to the server.

    On EAGAIN (no room), asyncio would report a connection that was never made.
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
    """Start or stop reading from *transport*; does nothing if it is closing."""
    if transport.is_closing():
        return
    if reads:
        transport.resume_reading()  # both calls do nothing if nothing changes
    else:
        transport.pause_reading()


def reset(transport: asyncio.Transport) -> None:
    """Close a connection with a reset, because the other side's connection ended with one."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        except OSError:  # the connection is closed already
            log.debug("connection was closed before its reset")
    transport.abort()
