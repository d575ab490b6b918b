"""The server of `benchmarks.latency`: an ASGI application that needs about 35 us per request.

``POST /predict`` responds immediately, and ``POST /large`` reads a body of any size. ``GET /stalls``
responds with the delays of the event loop since the last such request, in milliseconds.
"""

import asyncio
import json
import os
import time
from typing import Any

TICK_SECONDS = 0.001
_late: list[float] = []
_task: list[asyncio.Task[None]] = []


async def _watch() -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(TICK_SECONDS)
        _late.append((time.perf_counter() - before - TICK_SECONDS) * 1000)


async def bare(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    size, more, body = 0, True, b""
    while more:
        message = await receive()
        body = message.get("body", b"")
        size += len(body)
        more = message.get("more_body", False)
    if scope["path"] == "/predict":
        answer = b'{"score": %f}' % (sum(json.loads(body).values()) / 12)
    elif scope["path"] == "/large":
        answer = b'{"size": %d}' % size
    else:
        if not _task:
            _task.append(asyncio.create_task(_watch()))
        answer = json.dumps(_late).encode()
        _late.clear()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def application() -> Any:
    """Return the application, observed or not as the environment says."""
    where = os.environ.get("BENCHMARK_PROFILE_IN", "")
    if not where:
        return bare
    from nilometer import NilometerMiddleware

    return NilometerMiddleware(
        bare,
        entity="benchmark",
        profile_in="process" if where == "process" else "agent",
        exclude=("/stalls",),
    )


app = application()
