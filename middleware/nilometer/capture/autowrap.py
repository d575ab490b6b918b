"""Observation without a code change: servers are wrapped when their modules are imported.

`install` watches for the modules of servers. Each module is changed so that it puts
`NilometerMiddleware` around the application that it loads. The middleware is outermost and sees the
bytes that the client sees. ``capture/hook/sitecustomize.py`` calls `install` in every interpreter
that ``nilometer run`` starts. Nothing is imported before the server itself imports it.

An application that has its own `NilometerMiddleware` keeps it. The added middleware then only
passes messages on.
"""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from types import ModuleType
from typing import Any

from nilometer.capture.types import ASGIApp
from nilometer.values.variables import RUN

# The id of an application -> the application, and the middleware around it.
_watched: dict[int, tuple[ASGIApp, ASGIApp]] = {}


def install() -> None:
    """Watch for servers if ``nilometer run`` started this interpreter; otherwise do nothing."""
    if os.environ.get(RUN) and not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def watched(app: ASGIApp) -> ASGIApp:
    """Return *app* behind its one middleware, or *app* itself if that fails."""
    known = _watched.get(id(app))
    if known is not None:
        return known[1]
    try:
        from nilometer.capture.asgi import NilometerMiddleware

        if isinstance(app, NilometerMiddleware):
            return app
        around = NilometerMiddleware.stepping_aside(app)
    except Exception as error:  # the server must start even if nilometer fails
        _print_error(type(app).__name__, error)
        return app
    _watched[id(app)] = (app, around)
    _watched[id(around)] = (around, around)
    return around


def _uvicorn_config(module: ModuleType) -> None:
    """Wrap servers built on uvicorn: KServe, MLServer, BentoML, LitServe, MLflow, Ray Serve."""
    load = module.Config.load

    @wraps(load)
    def load_watched(self: Any) -> None:
        load(self)
        if getattr(self, "interface", "") != "wsgi":
            self.loaded_app = watched(self.loaded_app)

    module.Config.load = load_watched


def _hypercorn_utils(module: ModuleType) -> None:
    wrap_app = module.wrap_app

    @wraps(wrap_app)
    def wrap_watched(app: ASGIApp, wsgi_max_body_size: int, mode: str | None) -> object:
        if mode is None:
            mode = "asgi" if module.is_asgi(app) else "wsgi"
        return wrap_app(watched(app) if mode == "asgi" else app, wsgi_max_body_size, mode)

    module.wrap_app = wrap_watched  # type: ignore[attr-defined]  # a module, not a class


def _granian_asgi(module: ModuleType) -> None:
    wrapper, lifespan = module._callback_wrapper, module.LifespanProtocol.__init__  # noqa: SLF001  there is no public place

    @wraps(wrapper)
    def wrapper_watched(callback: ASGIApp, *arguments: object, **named: object) -> object:
        return wrapper(watched(callback), *arguments, **named)

    @wraps(lifespan)
    def lifespan_watched(self: object, callable: ASGIApp) -> None:  # noqa: A002  granian's name
        lifespan(self, watched(callable))

    module._callback_wrapper = wrapper_watched  # type: ignore[attr-defined]  # noqa: SLF001
    module.LifespanProtocol.__init__ = lifespan_watched


def _gunicorn_asgi(module: ModuleType) -> None:
    load = module.ASGIWorker.load_wsgi

    @wraps(load)
    def load_watched(self: Any) -> None:
        load(self)
        self.asgi = watched(self.asgi)

    module.ASGIWorker.load_wsgi = load_watched


def _grpc(module: ModuleType) -> None:
    from nilometer.capture.grpc.wrap import wrap_servers

    wrap_servers(module)


SERVERS: dict[str, Callable[[ModuleType], None]] = {
    "grpc": _grpc,
    "granian.asgi": _granian_asgi,
    "gunicorn.workers.gasgi": _gunicorn_asgi,
    "hypercorn.utils": _hypercorn_utils,
    "uvicorn.config": _uvicorn_config,
}


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of `SERVERS` like any finder, and changes them after they have run."""

    def __init__(self) -> None:
        self._finding: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        change = SERVERS.get(fullname)
        if change is None or fullname in self._finding:
            return None
        self._finding.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._finding.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, change)
        return spec


class _Loader(importlib.abc.Loader):
    """Wraps the loader of a module, and changes the module after it has run."""

    def __init__(self, loader: importlib.abc.Loader, change: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._change = change

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Create the module with the wrapped loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then change it."""
        self._loader.exec_module(module)
        try:
            self._change(module)
        except Exception as error:  # an unexpected version of the server: it runs unobserved
            _print_error(module.__name__, error)


def _print_error(what: str, error: Exception) -> None:
    """Write one line to stderr: logging may not be configured yet, or may hide extra values."""
    with contextlib.suppress(Exception):
        sys.stderr.write(f"nilometer: {what} is not observed: {error}\n")
