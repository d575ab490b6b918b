"""`python -m nilometer_agent.proxy`: the process that `Keeper` starts; it reads settings from stdin."""

import asyncio
import signal
import sys

import msgspec

from nilometer.commands.stderr_log import log_to_stderr
from nilometer.serving.descriptors import raise_limit
from nilometer.values.errors import ConfigError
from nilometer_agent.proxy.serve import Door
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
    )  # no more data is sent: stdin closes when the agent ends
    doors = [Door(proxy) for proxy in proxies]
    try:
        for door in doors:
            await door.open()
        sys.stdout.write(" ".join([READY, *(str(door.port) for door in doors)]) + "\n")
        sys.stdout.flush()
        await ended.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
        await asyncio.gather(*(door.close() for door in doors))


if __name__ == "__main__":
    log_to_stderr()
    raise_limit()
    given = msgspec.json.decode(sys.stdin.buffer.readline(), type=tuple[ProxySettings, ...])
    try:
        asyncio.run(serve(given))
    except ConfigError as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(2)
