"""Checks that an application has the interface that its middleware observes."""

import inspect
from collections.abc import Callable
from enum import StrEnum

from nilometer.values.errors import ConfigError


class Interface(StrEnum):
    """The interface of an application in a web server."""

    ASGI = "ASGI"
    WSGI = "WSGI"


MIDDLEWARES = {
    Interface.ASGI: "NilometerMiddleware",
    Interface.WSGI: "NilometerWSGIMiddleware",
}
_ARTICLE = {Interface.ASGI: "an ASGI", Interface.WSGI: "a WSGI"}
_ARGUMENTS = {
    Interface.ASGI: ("scope", "receive", "send"),
    Interface.WSGI: ("environ", "start_response"),
}


def check_interface(app: object, wanted: Interface) -> None:
    """Check that *app* can be called in the way of the interface *wanted*.

    The check passes if the signature of the application is unknown, or accepts both calls.

    Raises:
        ConfigError: If it cannot be called in this way; the message names the right middleware.
    """
    name = getattr(app, "__qualname__", None) or type(app).__qualname__
    if not callable(app):
        raise ConfigError(f"{name} is not an application: it cannot be called")
    found = _interfaces(app)
    if found is None or wanted in found:
        return
    for other in found:
        raise ConfigError(
            f"{name} is {_ARTICLE[other]} application, and {MIDDLEWARES[wanted]} observes {wanted} "
            f"applications: use {MIDDLEWARES[other]}"
        )
    raise ConfigError(
        f"{name} is neither an ASGI nor a WSGI application: it cannot be called with "
        f"({', '.join(_ARGUMENTS[wanted])})"
    )


def _interfaces(app: Callable[..., object]) -> set[Interface] | None:
    """Return the interfaces that match the signature of *app*; None if the signature is unknown."""
    try:
        signature = inspect.signature(app, follow_wrapped=False)
    except (TypeError, ValueError):
        return None
    fitting = set()
    for interface, arguments in _ARGUMENTS.items():
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        fitting.add(interface)
    called = app if inspect.isroutine(app) else getattr(type(app), "__call__", app)  # noqa: B004
    if inspect.iscoroutinefunction(called):
        fitting.discard(Interface.WSGI)
    return fitting
