"""One Starlette application, bare and with each of the compared middlewares.

An environment variable names the variant, so that a server process imports only what it uses.
"""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

VARIABLE = "BENCHMARK_VARIANT"
FEATURES = 12
ROW = {f"feature_{number}": number + 0.25 for number in range(FEATURES)}


async def predict(request: Request) -> JSONResponse:
    row = await request.json()
    return JSONResponse({"score": sum(row.values()) / len(row)})


def bare() -> Any:
    return Starlette(routes=[Route("/predict", predict, methods=["POST"])])


def no_op() -> Any:
    class NoOp:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

    app = bare()
    app.add_middleware(NoOp)
    return app


def ours_in_agent() -> Any:
    from nilometer import NilometerMiddleware

    app = bare()
    app.add_middleware(NilometerMiddleware, entity="benchmark")
    return app


def ours_in_process() -> Any:
    from nilometer import NilometerMiddleware

    app = bare()
    app.add_middleware(NilometerMiddleware, entity="benchmark", profile_in="process")
    return app


def ours_with_values() -> Any:
    import nilometer

    async def logging(request: Request) -> JSONResponse:
        row = await request.json()
        score = sum(row.values()) / len(row)
        nilometer.log(score=score, **row)
        return JSONResponse({"score": score})

    app = Starlette(routes=[Route("/predict", logging, methods=["POST"])])
    app.add_middleware(nilometer.NilometerMiddleware, entity="benchmark", capture="values")
    return app


def ours_around_function() -> Any:
    import nilometer

    @nilometer.observe(entity="benchmark")
    def score_of(row: dict[str, float]) -> dict[str, float]:
        return {"score": sum(row.values()) / len(row)}

    async def observed(request: Request) -> JSONResponse:
        return JSONResponse(score_of(await request.json()))

    return Starlette(routes=[Route("/predict", observed, methods=["POST"])])


class Answer:
    """The body of a WSGI response, in the form that Flask and Django return."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter((self.body,))

    def close(self) -> None:
        pass


def wsgi_bare() -> Any:
    def predict(environ: Any, start_response: Any) -> Any:
        row = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        body = json.dumps({"score": sum(row.values()) / len(row)}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return Answer(body)

    return predict


def ours_in_wsgi() -> Any:
    from nilometer import NilometerWSGIMiddleware

    return NilometerWSGIMiddleware(wsgi_bare(), entity="benchmark")


def instrumentator() -> Any:
    from fastapi import FastAPI
    from prometheus_fastapi_instrumentator import Instrumentator

    app = FastAPI(routes=[Route("/predict", predict, methods=["POST"])])
    Instrumentator().instrument(app)
    return app


def fastapi_bare() -> Any:
    from fastapi import FastAPI

    return FastAPI(routes=[Route("/predict", predict, methods=["POST"])])


def opentelemetry() -> Any:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.trace import NoOpTracerProvider

    provider = MeterProvider(metric_readers=[InMemoryMetricReader()])
    return OpenTelemetryMiddleware(
        bare(), meter_provider=provider, tracer_provider=NoOpTracerProvider()
    )


# name -> (function that builds it, variant with which it is compared)
VARIANTS: dict[str, tuple[Callable[[], Any], str]] = {
    "bare": (bare, "bare"),
    "no-op": (no_op, "bare"),
    "nilometer (agent)": (ours_in_agent, "bare"),
    "nilometer (process)": (ours_in_process, "bare"),
    "nilometer (log)": (ours_with_values, "bare"),
    "nilometer (observe)": (ours_around_function, "bare"),
    "wsgi bare": (wsgi_bare, "wsgi bare"),
    "nilometer (wsgi)": (ours_in_wsgi, "wsgi bare"),
    "fastapi bare": (fastapi_bare, "fastapi bare"),
    "instrumentator": (instrumentator, "fastapi bare"),
    "opentelemetry asgi": (opentelemetry, "bare"),
}
WSGI = frozenset({"wsgi bare", "nilometer (wsgi)"})  # the others are ASGI applications

if VARIABLE in os.environ:
    app = VARIANTS[os.environ[VARIABLE]][0]()
