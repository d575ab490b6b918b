"""The listener: every connection that it accepts is served or closed."""

import asyncio
import logging
import socket
from contextlib import suppress

import pytest

from nilometer.serving.listener import Listener

LOG = logging.getLogger("nilometer.agent")


@pytest.mark.parametrize("turns", range(6))
def test_a_stop_leaves_no_accepted_connection_open(turns: int) -> None:
    asyncio.run(_stop_after(turns))


async def _stop_after(turns: int) -> None:
    """Stop a listener some turns of the event loop after a client has connected."""
    served: list[socket.socket] = []

    async def connect(raw: socket.socket) -> None:
        served.append(raw)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listener = Listener([listening], LOG, 4, 10.0, by_address=False)
        listener.start(connect)
        await asyncio.sleep(0)
        with socket.create_connection(listening.getsockname(), 5.0) as client:
            for _ in range(turns):
                await asyncio.sleep(0)
            listener.stop()
            await asyncio.sleep(0.01)
            for raw in served:
                raw.close()
            listening.close()  # resets a connection that was not accepted
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
