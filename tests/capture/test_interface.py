"""A middleware of the wrong protocol is refused at the start, with one line that names the right one."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from support.asgi_zoo import ZOO as ASGI_ZOO
from support.asgi_zoo import echo
from support.wsgi_zoo import ZOO as WSGI_ZOO
from support.wsgi_zoo import echo as wsgi_echo

from nilometer import ConfigError, NilometerMiddleware, NilometerWSGIMiddleware


class Framework:
    """Called like Flask; `wsgi_app` is a method, as there."""

    def wsgi_app(self, environ: Any, start_response: Any) -> Any:
        return wsgi_echo(environ, start_response)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.wsgi_app(environ, start_response)


class AsyncFramework:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await echo(scope, receive, send)


def adapted(app: Callable[..., Any]) -> Callable[..., Any]:
    """A function with any arguments: what it takes cannot be seen."""

    @functools.wraps(app)
    def called(*arguments: Any, **named: Any) -> Any:
        return app(*arguments, **named)

    return called


WSGI: dict[str, Any] = {
    "function": wsgi_echo,
    "generator": WSGI_ZOO["generates"],
    "instance": Framework(),
    "method": Framework().wsgi_app,
    "partial": functools.partial(lambda one, environ, start_response: one, 1),
    "observed": NilometerWSGIMiddleware(wsgi_echo, entity="e"),
}
ASGI: dict[str, Any] = {
    "function": echo,
    "instance": AsyncFramework(),
    "starlette": Starlette(),
    "partial": functools.partial(ASGI_ZOO["echo"]),
    "observed": NilometerMiddleware(echo, entity="e"),
}


@pytest.mark.parametrize("name", WSGI)
def test_an_asgi_middleware_refuses_a_wsgi_application(name: str) -> None:
    with pytest.raises(ConfigError, match=r"a WSGI application.*use NilometerWSGIMiddleware") as it:
        NilometerMiddleware(WSGI[name], entity="e")
    assert "\n" not in str(it.value)
    NilometerWSGIMiddleware(WSGI[name], entity="e")


@pytest.mark.parametrize("name", ASGI)
def test_a_wsgi_middleware_refuses_an_asgi_application(name: str) -> None:
    with pytest.raises(ConfigError, match=r"an ASGI application.*use NilometerMiddleware") as it:
        NilometerWSGIMiddleware(ASGI[name], entity="e")
    assert "\n" not in str(it.value)
    NilometerMiddleware(ASGI[name], entity="e")


@pytest.mark.parametrize("app", [7, None, lambda request: request, lambda: None])
@pytest.mark.parametrize("middleware", [NilometerMiddleware, NilometerWSGIMiddleware])
def test_what_is_no_application_is_refused(middleware: Any, app: Any) -> None:
    with pytest.raises(ConfigError, match=r"application: .*cannot be called"):
        middleware(app, entity="e")


@pytest.mark.parametrize(
    "app", [adapted(echo), adapted(wsgi_echo), print, adapted(ASGI_ZOO["raises"])]
)
@pytest.mark.parametrize("middleware", [NilometerMiddleware, NilometerWSGIMiddleware])
def test_an_application_whose_arguments_are_unknown_is_taken(middleware: Any, app: Any) -> None:
    assert middleware(app, entity="e").app is app


def test_inside_a_running_server_the_start_fails_with_the_same_line() -> None:
    sent: list[Any] = []

    async def start() -> None:
        async def receive() -> Any:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            sent.append(message)

        wrong: Any = NilometerMiddleware(wsgi_echo, entity="e")  # type: ignore[arg-type]  # on purpose
        await wrong({"type": "lifespan"}, receive, send)

    asyncio.run(start())
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "use NilometerWSGIMiddleware" in sent[0]["message"]
