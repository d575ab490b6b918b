"""Applications for every use of the lifespan scope: ``bare_<name>``, ``observed_<name>``."""

import asyncio
import sys
from typing import Any

from nilometer import NilometerMiddleware
from nilometer.capture.types import ASGIApp, Receive, Scope, Send


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    headers = ((name, value) for name, value in [(b"content-type", b"text/plain")])
    await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
    await send({"type": "http.response.body", "body": b"served"})


async def supported(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def refused(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("only http")


async def ignored(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def fails_to_start(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no model"})


async def raises_at_the_start(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise ZeroDivisionError("no model")


async def exits_at_the_start(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    sys.exit(5)


async def fails_to_stop(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "stuck"})


async def raises_at_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    raise ZeroDivisionError("stuck")


async def ends_early(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


async def raises_while_serving(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    raise ZeroDivisionError("gone")


async def cancelled(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    raise asyncio.CancelledError


async def lingers(scope: Scope, receive: Receive, send: Send) -> None:
    await supported(scope, receive, send)
    await asyncio.sleep(0.5)


LIFESPANS: dict[str, ASGIApp] = {
    lifespan.__name__: lifespan
    for lifespan in (
        *(supported, refused, ignored, fails_to_start, raises_at_the_start, exits_at_the_start),
        *(fails_to_stop, raises_at_the_end, ends_early, raises_while_serving, cancelled, lingers),
    )
}


def serving(lifespan: ASGIApp) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        serve = lifespan if scope["type"] == "lifespan" else answer
        await serve(scope, receive, send)

    return app


def __getattr__(name: str) -> Any:
    kind, _, lifespan = name.partition("_")
    if lifespan not in LIFESPANS:
        raise AttributeError(name)
    app = serving(LIFESPANS[lifespan])
    return app if kind == "bare" else NilometerMiddleware(app, entity="tested")
