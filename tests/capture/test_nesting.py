"""Several middlewares in one process: each request is observed once, by the right one."""

import asyncio
import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from support.asgi_zoo import echo, exchange, request_of, run, scope_of
from support.wsgi_zoo import Served, environ_of
from support.wsgi_zoo import echo as wsgi_echo

from nilometer import NilometerMiddleware, NilometerWSGIMiddleware
from nilometer.capture.observer import Observer
from nilometer.capture.types import ASGIApp, Environ, Receive, Scope, Send, StartResponse
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profiling.observation import unpack


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "ensure_started", lambda _: None)
    monkeypatch.setenv("NILOMETER_ENTITY", "of-the-environment")


def paths(middleware: Observer) -> list[str]:
    """The paths of the requests that a middleware has observed."""
    worker = middleware._worker
    assert (worker.in_flight, worker.guard.faults) == (0, 0)
    return [one.path for one in unpack(batch_of(worker.sink.take(1000, 1 << 30)))]


async def predict(request: Request) -> JSONResponse:
    return JSONResponse({"score": len(await request.body())})


class Passing(BaseHTTPMiddleware):
    """A middleware of Starlette's that runs what it wraps in a task of its own."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        return await call_next(request)


class Made(NilometerMiddleware):
    """Remembers itself, because Starlette makes it when the first request comes."""

    made: list["Made"] = []  # noqa: RUF012  of one test

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.made.append(self)


def mounting(between: list[Middleware], **options: Any) -> Starlette:
    """An application that mounts another, which brings a middleware of its own."""
    Made.made.clear()
    route = Route("/predict", predict, methods=["POST"])
    sub = Starlette(routes=[route], middleware=[Middleware(Made, **options)])
    return Starlette(routes=[route, Mount("/sub", app=sub)], middleware=between)


def through(start_response: StartResponse) -> StartResponse:
    """What a middleware of somebody else's passes on."""

    def start(*started: Any) -> Any:
        return start_response(*started)

    return start


def ask(app: ASGIApp, *asked: str) -> None:
    async def all_of_them() -> None:
        for path in asked:
            sent, error = await exchange(app, scope_of(path=path), request_of(b"{}"))
            assert (error, sent[0]["status"]) == (None, 200)

    asyncio.run(all_of_them())


@pytest.mark.parametrize("between", [[], [Middleware(Passing)]])
@pytest.mark.parametrize("outer", [NilometerMiddleware.stepping_aside, NilometerMiddleware])
def test_the_mounted_application_observes_its_requests_and_the_outer_one_the_rest(
    outer: Callable[[ASGIApp], NilometerMiddleware], between: list[Middleware]
) -> None:
    around = outer(mounting(between, entity="mounted"))
    ask(around, *("/predict", "/sub/predict") * 3)
    (inner,) = Made.made
    assert paths(around) == ["/predict"] * 3
    assert paths(inner) == ["/predict"] * 3  # below the mount


def test_the_outer_middleware_observes_what_the_inner_one_has_no_entity_for() -> None:
    around = NilometerMiddleware(mounting([]), entity="outer")
    ask(around, "/predict", "/sub/predict", "/sub/predict")
    assert paths(around) == ["/predict", "/sub/predict", "/sub/predict"]
    assert paths(Made.made[0]) == []


def test_a_middleware_in_the_code_keeps_its_settings_below_the_added_one() -> None:
    around = NilometerMiddleware.stepping_aside(mounting([], redact_fields=("ssn",)))
    ask(around, "/predict", "/sub/predict", "/sub/predict")
    assert paths(around) == ["/predict"]
    assert paths(Made.made[0]) == ["/predict"] * 2
    around = NilometerMiddleware.stepping_aside(mounting([]))
    ask(around, "/sub/predict")
    assert paths(around) == ["/sub/predict"]  # there is nothing that the inner one adds


def test_of_three_the_innermost_with_an_entity_observes() -> None:
    inner = NilometerMiddleware(echo)
    middle = NilometerMiddleware(inner, entity="middle")
    outer = NilometerMiddleware(middle, entity="outer")
    added = NilometerMiddleware.stepping_aside(outer)
    for _ in range(2):
        run(added, scope_of(), request_of(b"{}"))
    assert [len(paths(one)) for one in (added, outer, middle, inner)] == [0, 0, 2, 0]


def test_a_path_that_the_inner_middleware_excludes_is_nobodys() -> None:
    inner = NilometerMiddleware(echo, entity="inner", exclude=["/predict"])
    outer = NilometerMiddleware(inner, entity="outer")
    run(outer, scope_of(), request_of(b"{}"))
    assert paths(outer) == paths(inner) == []


def test_the_scope_is_as_the_server_made_it_afterwards() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await echo(scope, receive, send)

    scope = scope_of()
    before = dict(scope)
    run(NilometerMiddleware(app, entity="alone"), scope, request_of(b"{}"))
    NilometerMiddleware(app, entity="other")
    run(NilometerMiddleware(app, entity="third"), scope, request_of(b"{}"))
    assert scope == before
    assert seen[0] is seen[1] is scope


def test_a_request_of_its_own_inside_a_request_is_observed_too() -> None:
    model = NilometerMiddleware(echo, entity="model")

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        await exchange(model, scope_of(), request_of(b"{}"))  # as httpx does without a network
        await echo(scope, receive, send)

    outer = NilometerMiddleware(gateway, entity="gateway")
    run(outer, scope_of(), request_of(b"{}"))
    assert paths(outer) == paths(model) == ["/predict"]


def test_wsgi_middlewares_agree_like_those_of_asgi() -> None:
    mounted = NilometerWSGIMiddleware(wsgi_echo, entity="mounted")
    unnamed = NilometerWSGIMiddleware(wsgi_echo)

    def main(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        inner = mounted if environ["PATH_INFO"] == "/mounted" else unnamed
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read())  # as some others do
        return inner(environ, through(start_response))

    outer = NilometerWSGIMiddleware(main, entity="outer")
    added = NilometerWSGIMiddleware.stepping_aside(outer)
    environs = [environ_of(PATH_INFO=path) for path in ("/mounted", "/unnamed", "/mounted")]
    for environ in environs:
        assert Served(added, environ).error is None
        assert not any(key.startswith("nilometer") for key in environ)
    assert paths(mounted) == ["/mounted"] * 2
    assert paths(outer) == ["/unnamed"]
    assert paths(unnamed) == paths(added) == []


def test_a_middleware_that_is_made_in_mid_request_is_found() -> None:
    made: list[NilometerWSGIMiddleware] = []

    def main(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        made.append(NilometerWSGIMiddleware(wsgi_echo, entity="late"))
        return made[0](environ, through(start_response))

    outer = NilometerWSGIMiddleware(main, entity="outer")
    Served(outer, environ_of())
    assert paths(outer) == []
    assert paths(made[0]) == ["/predict"]


def test_a_wsgi_application_inside_an_asgi_one_is_observed_once() -> None:
    inner = NilometerWSGIMiddleware(wsgi_echo, entity="inner")

    async def bridge(scope: Scope, receive: Receive, send: Send) -> None:
        # a2wsgi and asgiref run the application in a thread, with a copy of the context.
        await asyncio.to_thread(Served, inner, environ_of(PATH_INFO=scope["path"]))
        await echo(scope, receive, send)

    outer = NilometerMiddleware.stepping_aside(bridge)
    for _ in range(2):
        run(outer, scope_of(), request_of(b"{}"))
    assert paths(outer) == []
    assert paths(inner) == ["/predict"] * 2
