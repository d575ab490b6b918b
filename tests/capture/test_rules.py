"""Rules, root paths and route templates in the servers' processes."""

import asyncio
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from flask import Flask
from flask import Response as FlaskResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from support.asgi_zoo import echo, request_of, scope_of, trace
from support.wsgi_zoo import Served, environ_of

from nilometer import ConfigError, NilometerMiddleware, NilometerWSGIMiddleware
from nilometer.capture.grpc.call import Capture
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profiling.observation import Observation, unpack


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a middleware offers stays in the sink."""
    monkeypatch.setattr(Worker, "ensure_started", lambda _: None)


def offered(middleware: NilometerMiddleware | NilometerWSGIMiddleware) -> list[Observation]:
    return unpack(batch_of(middleware._worker.sink.take(1000, 1 << 30)))


def asked(middleware: NilometerMiddleware, *scopes: dict[str, Any]) -> list[Observation]:
    for scope in scopes:
        asyncio.run(trace(middleware, scope, request_of(b"{}")))
    return offered(middleware)


@pytest.mark.parametrize(
    ("root", "path", "seen"),
    [
        ("", "/healthz", []),
        ("/api", "/api/healthz", []),
        ("/api", "/healthz", []),  # a server that removes the root path
        ("/api", "/api/predict", ["/predict"]),
        ("/api", "/apis", ["/apis"]),
        ("", "/api/healthz", ["/api/healthz"]),
    ],
)
def test_paths_are_those_below_the_root_path(root: str, path: str, seen: list[str]) -> None:
    middleware = NilometerMiddleware(echo, entity="tested")
    assert [one.path for one in asked(middleware, scope_of(path, root_path=root))] == seen
    wsgi = NilometerWSGIMiddleware(Flask(__name__), entity="tested")
    inner = path.removeprefix(root) if path.startswith(f"{root}/") else path
    Served(wsgi, environ_of(b"{}", SCRIPT_NAME=root, PATH_INFO=inner))
    assert [one.path for one in offered(wsgi)] == seen


RULES = ["/healthz", "GET /static/*", "route=/items/{id}", "type=text/*"]


@pytest.mark.parametrize(
    ("method", "path", "content_type", "is_seen"),
    [
        ("GET", "/static/a/b.js", "", False),
        ("POST", "/static/a/b.js", "", True),
        ("POST", "/items/7", "", False),
        ("POST", "/items/7/price", "", True),
        ("POST", "/predict", "text/csv", False),
        ("POST", "/predict", "application/json", True),
        ("POST", "/api/healthz", "", False),
    ],
)
def test_a_request_that_a_rule_excludes_is_not_observed(
    method: str,
    path: str,
    content_type: str,
    is_seen: bool,  # noqa: FBT001
) -> None:
    headers = [(b"content-type", content_type.encode())] if content_type else []
    scope = scope_of(path, method, headers=headers, root_path="/api")
    asgi = NilometerMiddleware(echo, entity="tested", exclude=RULES)
    assert len(asked(asgi, scope)) == is_seen
    wsgi = NilometerWSGIMiddleware(Flask(__name__), entity="tested", exclude=RULES)
    keys = {"REQUEST_METHOD": method, "CONTENT_TYPE": content_type}
    inner = path.removeprefix("/api")
    Served(wsgi, environ_of(b"{}", SCRIPT_NAME="/api", PATH_INFO=inner, **keys))
    assert len(offered(wsgi)) == is_seen


def test_a_text_that_is_no_rule_stops_the_start() -> None:
    with pytest.raises(ConfigError, match=r"exclude = 'healthz'"):
        NilometerMiddleware(echo, entity="tested", exclude=["healthz"])
    with pytest.raises(ConfigError, match=r"include = 'x=y'"):
        NilometerMiddleware(echo, entity="tested", include=["x=y"])
    with pytest.raises(ConfigError, match=r"labels\.v = '\{modol\}'"):
        NilometerMiddleware(echo, entity="{model}", labels={"v": "{modol}"})


def test_grpc_methods_are_excluded_by_name() -> None:
    capture = Capture(entity="tested", exclude=["grpc=ray.serve.*", "/shop.Scorer/Warm"])

    class Details:
        invocation_metadata = ()

        def __init__(self, method: str) -> None:
            self.method = method

    def is_seen(method: str) -> bool:
        details: Any = Details(method)
        return capture.call(details) is not None

    assert not is_seen("/ray.serve.RayServeAPIService/Healthz")
    assert not is_seen("/shop.Scorer/Warm")
    assert is_seen("/shop.Scorer/Score")


async def answer(request: Request) -> JSONResponse:
    del request
    return JSONResponse({})


def fastapi() -> FastAPI:
    app, router, sub = FastAPI(), APIRouter(prefix="/shops/{shop}"), FastAPI()

    @router.post("/items/{item}")
    async def item(shop: str, item: int) -> dict[str, int]:
        return {}

    @sub.post("/files/{name:path}")
    async def file(name: str) -> dict[str, int]:
        return {}

    app.include_router(router, prefix="/v1")
    app.mount("/of/{tenant}", sub)
    return app


def starlette() -> Starlette:
    inside = [Route("/items/{item}", answer, methods=["POST"])]
    return Starlette(routes=[Mount("/of/{tenant}", routes=inside)])


@pytest.mark.parametrize(
    ("app", "path", "route"),
    [
        (fastapi, "/v1/shops/acme/items/7", "/v1/shops/{shop}/items/{item}"),
        (fastapi, "/of/acme/files/a/b", "/of/{tenant}/files/{name}"),
        (fastapi, "/nothing", ""),
        (starlette, "/of/acme/items/7", "/of/{tenant}/items/{item}"),
    ],
)
def test_the_route_is_the_template_that_the_framework_tells(
    app: Any, path: str, route: str
) -> None:
    labels = {"route": "{route}"}
    middleware = NilometerMiddleware(app(), entity="tested", labels=labels)
    (seen,) = asked(middleware, scope_of(f"/api{path}", root_path="/api"))
    assert (seen.path, seen.route) == (path, route)
    (bare,) = asked(NilometerMiddleware(app(), entity="tested"), scope_of(path))
    assert bare.route == ""


def test_the_route_of_flask_is_known() -> None:
    app = Flask(__name__)

    @app.post("/items/<int:item>")
    def item(item: int) -> FlaskResponse:
        return FlaskResponse(str(item))

    wsgi = NilometerWSGIMiddleware(app.wsgi_app, entity="{route}")
    Served(wsgi, environ_of(b"{}", PATH_INFO="/items/7"))
    (seen,) = offered(wsgi)
    assert (seen.path, seen.route) == ("/items/7", "/items/<int:item>")
