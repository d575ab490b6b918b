"""Drive a variant's application without sockets: what callgrind counts.

Usage: python -m benchmarks.in_process VARIANT REQUESTS
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

from benchmarks.variants import ROW, VARIANTS
from nilometer.handoff import inside

BODY = json.dumps(ROW).encode()
HEADERS = [(b"host", b"x"), (b"content-type", b"application/json"), (b"accept", b"*/*")]
SLOWED = "BENCHMARK_SLOWED"  # how many times slower than at full speed everything runs
PAUSE_EVERY = 64  # requests, after which the loop yields as a server's would


async def drive(app: Any, requests: int) -> None:
    message = {"type": "http.request", "body": BODY, "more_body": False}

    async def receive() -> Any:
        return message

    async def send(_: Any) -> None:
        return

    for number in range(requests):
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/predict",
            "raw_path": b"/predict",
            "query_string": b"",
            "root_path": "",
            "headers": HEADERS,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        await app(scope, receive, send)
        if number % PAUSE_EVERY == 0:
            await asyncio.sleep(0)


def main(variant: str, requests: int) -> None:
    app = VARIANTS[variant][0]()
    inside.DELTA_SECONDS *= float(os.environ.get(SLOWED, "1"))
    asyncio.run(drive(app, 200))  # first use: imports, connections, caches
    time.sleep(3.0)
    asyncio.run(drive(app, requests))
    time.sleep(3.0)  # what stands in a queue is part of the cost


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
