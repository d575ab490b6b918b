"""The servers that `nilometer run` supports, and how it changes the module of each server.

An application is wrapped where the server receives it: as the argument of a function, or as the
attribute of a worker. A server without ASGI or WSGI cannot be observed inside its process. A
message says so when it starts.
"""

import contextlib
import sys
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any, TypeVar

from nilometer.capture.types import ASGIApp, WSGIApp

A = TypeVar("A", ASGIApp, WSGIApp)

# The id of an application -> the application, and the middleware around it.
_watched: dict[int, tuple[object, Any]] = {}


def watched(app: ASGIApp) -> ASGIApp:
    """Return an ASGI application inside one middleware, or *app* itself if that fails."""

    def around() -> ASGIApp:
        from nilometer.capture.asgi import NilometerMiddleware

        own = isinstance(app, NilometerMiddleware)
        return app if own else NilometerMiddleware.stepping_aside(app)

    return _once(app, around)


def watched_wsgi(app: WSGIApp) -> WSGIApp:
    """Return a WSGI application inside one middleware, or *app* itself if that fails."""

    def around() -> WSGIApp:
        from nilometer.capture.wsgi import NilometerWSGIMiddleware

        own = isinstance(app, NilometerWSGIMiddleware)
        return app if own else NilometerWSGIMiddleware.stepping_aside(app)

    return _once(app, around)


def _once(app: A, make: Callable[[], A]) -> A:
    known = _watched.get(id(app))
    if known is not None:
        found: A = known[1]
        return found
    try:
        around = make()
    except Exception as error:  # the server must start as it does without nilometer
        print_unobserved(getattr(app, "__name__", type(app).__name__), str(error))
        return app
    _watched[id(app)] = (app, around)
    _watched[id(around)] = (around, around)
    return around


def print_unobserved(what: str, why: str) -> None:
    """Write one line to stderr, because logging may be unconfigured or may hide extra values."""
    with contextlib.suppress(Exception):
        sys.stderr.write(f"nilometer: {what} is not observed: {why}\n")


def _takes(owner: Any, name: str, argument: str, watch: Callable[[Any], Any]) -> None:
    """Change the function *name* of *owner* so that its *argument*, an application, is watched."""
    import inspect

    call = getattr(owner, name)
    signature = inspect.signature(call)

    @wraps(call)
    def call_watched(*positional: Any, **named: Any) -> Any:
        with contextlib.suppress(TypeError):  # the server itself refuses such arguments
            bound = signature.bind(*positional, **named)
            if bound.arguments.get(argument) is not None:
                bound.arguments[argument] = watch(bound.arguments[argument])
                positional, named = bound.args, bound.kwargs
        return call(*positional, **named)

    setattr(owner, name, call_watched)


def _uvicorn_config(module: ModuleType) -> None:
    """Wrap servers built on uvicorn: KServe, MLServer, BentoML, LitServe, MLflow, Ray Serve."""
    load = module.Config.load

    @wraps(load)
    def load_watched(self: Any) -> None:
        load(self)
        if getattr(self, "interface", "") != "wsgi":
            self.loaded_app = watched(self.loaded_app)

    module.Config.load = load_watched
    bridge = module.WSGIMiddleware

    @wraps(bridge, updated=())
    def bridge_watched(app: WSGIApp, *arguments: object, **named: object) -> object:
        return bridge(watched_wsgi(app), *arguments, **named)

    module.WSGIMiddleware = bridge_watched  # type: ignore[attr-defined]  # a module, not a class


def _hypercorn_utils(module: ModuleType) -> None:
    wrap_app = module.wrap_app

    @wraps(wrap_app)
    def wrap_watched(app: Any, wsgi_max_body_size: int, mode: str | None) -> object:
        if mode is None:
            mode = "asgi" if module.is_asgi(app) else "wsgi"
        watch = watched if mode == "asgi" else watched_wsgi
        return wrap_app(watch(app), wsgi_max_body_size, mode)

    module.wrap_app = wrap_watched  # type: ignore[attr-defined]  # a module, not a class


def _granian_asgi(module: ModuleType) -> None:
    _takes(module, "_callback_wrapper", "callback", watched)
    _takes(module.LifespanProtocol, "__init__", "callable", watched)


def _gunicorn_asgi(module: ModuleType) -> None:
    load = module.ASGIWorker.load_wsgi

    @wraps(load)
    def load_watched(self: Any) -> None:
        load(self)
        self.asgi = watched(self.asgi)

    module.ASGIWorker.load_wsgi = load_watched


def _gunicorn_wsgi(worker: str) -> Callable[[ModuleType], None]:
    """Return the change to the module of a gunicorn *worker*, the name of a class."""

    def change(module: ModuleType) -> None:
        kind = getattr(module, worker)
        load = kind.load_wsgi

        @wraps(load)
        def load_watched(self: Any) -> None:
            load(self)
            self.wsgi = watched_wsgi(self.wsgi)

        kind.load_wsgi = load_watched

    return change


def _wsgi(place: str, argument: str) -> Callable[[ModuleType], None]:
    """Return the change to a function that takes a WSGI application as its *argument*."""

    def change(module: ModuleType) -> None:
        owner: Any = module
        *classes, name = place.split(".")
        for one in classes:
            owner = getattr(owner, one)
        _takes(owner, name, argument, watched_wsgi)

    return change


def uwsgi_change(module_name: str) -> Callable[[ModuleType], None] | None:
    """Return the change to the module whose application uWSGI serves; None for any other module.

    uWSGI loads and calls applications in C, so only the import of the module can be watched.
    """
    options: dict[str, object] = getattr(sys.modules.get("uwsgi"), "opt", {})
    named = next((options[key] for key in ("module", "wsgi") if key in options), None)
    if named is None:
        if not _printed & {_UWSGI} and any(key in options for key in ("wsgi-file", "file")):
            _printed.add(_UWSGI)
            print_unobserved(_UWSGI, "use --module, or NilometerWSGIMiddleware in the code")
        return None
    place, _, attribute = _text(named).partition(":")
    if place != module_name:
        return None
    attribute = attribute or _text(options.get("callable", "application"))

    def change(module: ModuleType) -> None:
        name = attribute.removesuffix("()")  # a function that returns the application
        app = getattr(module, name)
        if name == attribute:
            setattr(module, name, watched_wsgi(app))
        else:
            setattr(module, name, wraps(app)(lambda: watched_wsgi(app())))

    return change


_UWSGI = "an application that uWSGI loads from a file"


def _text(option: object) -> str:
    """Return the value of an option of uWSGI, the first if there are several."""
    first = option[0] if isinstance(option, list) else option
    return first.decode() if isinstance(first, bytes) else str(first)


def _unobservable(what: str, place: str) -> Callable[[ModuleType], None]:
    """Return the change to the start function of a server that cannot be observed."""

    def change(module: ModuleType) -> None:
        owner: Any = module
        *classes, name = place.split(".")
        for one in classes:
            owner = getattr(owner, one)
        start = getattr(owner, name)

        @wraps(start)
        def start_printing(*positional: Any, **named: Any) -> Any:
            if what not in _printed:
                _printed.add(what)
                print_unobserved(what, _PROXY)
            return start(*positional, **named)

        setattr(owner, name, start_printing)

    return change


_printed: set[str] = set()
_PROXY = (
    "it is neither an ASGI nor a WSGI server: put the agent's proxy before it, "
    "see `[[proxy]]` in docs/proxy.md"
)


def _grpc(module: ModuleType) -> None:
    from nilometer.capture.grpc.wrap import wrap_servers

    wrap_servers(module)


SERVERS: dict[str, Callable[[ModuleType], None]] = {
    "aiohttp.web_runner": _unobservable("aiohttp", "BaseRunner.setup"),
    "cheroot.wsgi": _wsgi("Server.__init__", "wsgi_app"),
    "gevent.pywsgi": _wsgi("WSGIServer.__init__", "application"),
    "grpc": _grpc,
    "granian.asgi": _granian_asgi,
    "granian.rsgi": _unobservable("granian's RSGI", "_callback_wrapper"),
    "granian.wsgi": _wsgi("_callback_wrapper", "callback"),
    "gunicorn.workers.base_async": _gunicorn_wsgi("AsyncWorker"),
    "gunicorn.workers.gasgi": _gunicorn_asgi,
    "gunicorn.workers.gthread": _gunicorn_wsgi("ThreadWorker"),
    "gunicorn.workers.sync": _gunicorn_wsgi("SyncWorker"),
    "hypercorn.utils": _hypercorn_utils,
    "robyn": _unobservable("Robyn", "Robyn.start"),
    "sanic.server.runners": _unobservable("Sanic", "_serve_http_1"),
    "uvicorn.config": _uvicorn_config,
    "waitress.server": _wsgi("create_server", "application"),
    "werkzeug.serving": _wsgi("BaseWSGIServer.__init__", "app"),
    "wsgiref.simple_server": _wsgi("WSGIServer.set_app", "application"),
}
