"""`python -m nilometer_agent.proxy`: the process that `Keeper` starts; it reads settings from stdin."""

import asyncio
import signal
import sys

import msgspec

from nilometer.commands.stderr_log import log_to_stderr
from nilometer.serving.descriptors import raise_limit
from nilometer.values.errors import ConfigError
from nilometer_agent.proxy.serve import ProxyServer
from nilometer_agent.proxy.settings import ProxySettings

READY = "ready"


async def serve(proxies: tuple[ProxySettings, ...]) -> None:
    """Start every proxy, print the ports, and serve until stdin closes or a signal arrives.

    Raises:
        ConfigError: If an address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_reader(
        sys.stdin.fileno(), ended.set
    )  # stdin gets no more data, and closes when the agent ends
    servers = [ProxyServer(proxy) for proxy in proxies]
    try:
        for server in servers:
            await server.open()
        sys.stdout.write(" ".join([READY, *(str(server.port) for server in servers)]) + "\n")
        sys.stdout.flush()
        await ended.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
        await asyncio.gather(*(server.close() for server in servers))


if __name__ == "__main__":
    log_to_stderr()
    raise_limit()
    given = msgspec.json.decode(sys.stdin.buffer.readline(), type=tuple[ProxySettings, ...])
    try:
        asyncio.run(serve(given))
    except ConfigError as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(2)
