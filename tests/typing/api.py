"""The public entry points as a type checker sees them. mypy reads this module; nothing runs it.

Each wrong call carries the code of its error. mypy reports such a comment where the error is gone, so
that a wrong call cannot become a right one unseen.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import assert_type
from wsgiref.validate import validator

import grpc
import grpc.aio
from starlette.applications import Starlette

from nilometer import (
    AsyncClient,
    Client,
    NilometerMiddleware,
    NilometerWSGIMiddleware,
    label,
    log,
    observe,
)
from nilometer.capture.grpc import AioCaptureInterceptor, CaptureInterceptor
from nilometer.capture.options import CaptureOptions
from nilometer.capture.types import ASGIApp, WSGIApp

app = Starlette()

# The middleware: around an application, or handed to a framework.
wrapped: ASGIApp = NilometerMiddleware(app, entity="fraud-scorer")
NilometerMiddleware(app)  # the entity comes from the environment
NilometerMiddleware(app=app, labels={"version": "7"}, shutdown_seconds=1, exclude=["/healthz"])
app.add_middleware(NilometerMiddleware)
app.add_middleware(NilometerMiddleware, entity="fraud-scorer", exclude=("/healthz",))
shared: CaptureOptions = {"entity": "fraud-scorer", "profile_in": "process"}
NilometerMiddleware(app, **shared)

NilometerMiddleware(entity="fraud-scorer")  # type: ignore[call-arg]
NilometerMiddleware(app, lables={"version": "7"})  # type: ignore[call-arg]
NilometerMiddleware(app, labels={"version": 7})  # type: ignore[dict-item]
NilometerMiddleware(app, exclude="/healthz")  # type: ignore[arg-type]
NilometerMiddleware(app, profile_in="thread")  # type: ignore[arg-type]
NilometerMiddleware(app, max_body_bytes=1e6)  # type: ignore[arg-type]
app.add_middleware(NilometerMiddleware, lables={"version": "7"})  # type: ignore[call-arg]
app.add_middleware(NilometerMiddleware, exclude="/healthz")  # type: ignore[arg-type]

# The same for WSGI.
validated: WSGIApp = validator(lambda environ, start_response: [])
observed_wsgi: WSGIApp = NilometerWSGIMiddleware(validated, entity="fraud-scorer")
NilometerWSGIMiddleware(app=validated, labels={"version": "7"})

NilometerWSGIMiddleware(entity="fraud-scorer")  # type: ignore[call-arg]
NilometerWSGIMiddleware(app, entity="fraud-scorer")  # type: ignore[arg-type]
NilometerWSGIMiddleware(validated, lables={"version": "7"})  # type: ignore[call-arg]

# The interceptors.
grpc.server(ThreadPoolExecutor(), interceptors=[CaptureInterceptor(entity="fraud-scorer")])
grpc.aio.server(interceptors=[AioCaptureInterceptor(entity="fraud-scorer", capture="values")])
CaptureInterceptor()

CaptureInterceptor(lables={"version": "7"})  # type: ignore[call-arg]
CaptureInterceptor(b"fraud-scorer")  # type: ignore[call-arg, arg-type]
CaptureInterceptor(capture="nothing")  # type: ignore[arg-type]
AioCaptureInterceptor(lables={"version": "7"})  # type: ignore[call-arg]
AioCaptureInterceptor(stall_seconds="10")  # type: ignore[arg-type]


# Functions keep their types.
@observe
def plain(amount: float, age: int) -> str:
    return f"{amount} {age}"


@observe(entity="fraud-scorer", inputs=["amount"])
def with_options(amount: float, age: int) -> str:
    return f"{amount} {age}"


@observe(entity="fraud-scorer")
async def coroutine(amount: float) -> str:
    return f"{amount}"


async def calls() -> None:
    assert_type(plain(1.0, age=2), str)
    assert_type(with_options(1.0, 2), str)
    assert_type(await coroutine(1.0), str)
    plain(1.0)  # type: ignore[call-arg]
    with_options("much", 2)  # type: ignore[arg-type]
    await coroutine(1.0, 2)  # type: ignore[call-arg]


observe(lables={"version": "7"})  # type: ignore[call-overload]
observe(labels=["version"])  # type: ignore[call-overload]
observe(inputs=1)  # type: ignore[call-overload]

# From inside the model.
log(score=0.7, tokens=[1, 2], note=None)
label(tier="gold")
label(tier=1)  # type: ignore[arg-type]

# The client of the collector.
with Client("http://127.0.0.1:7500", timeout_seconds=5) as client:
    amount = client.entity("fraud-scorer").summary("input.amount")
    assert_type(amount.samples(last="24h", labels={"country": "de"}).merge().quantile(0.99), float)
    assert_type(amount.samples(start=0)[0].quantile([0.5, 0.9]), list[float])
    amount.samples(last=b"24h")  # type: ignore[arg-type]
    client.entity("fraud-scorer", "input.amount")  # type: ignore[call-arg]


async def asks(client: AsyncClient) -> None:
    samples = await client.entity("fraud-scorer").summary("input.amount").samples(last="24h")
    assert_type(samples.merge().count, int)
    client.entity("fraud-scorer").summary("input.amount").samples().merge()  # type: ignore[attr-defined]
