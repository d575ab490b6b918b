"""nilometer: monitors a model in production and compares it with its reference."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nilometer.capture.asgi import NilometerMiddleware
    from nilometer.capture.observe import observe
    from nilometer.capture.values import label, log
    from nilometer.capture.wsgi import NilometerWSGIMiddleware
    from nilometer.client.client import Client
    from nilometer.client.client_async import AsyncClient
    from nilometer.profile.profiler import profiler
    from nilometer.sketch.tdigest import TDigest
    from nilometer.values.errors import ConfigError, IncompatibleSketches, NilometerError
    from nilometer.values.labels import Labels
    from nilometer.values.window import Window

__version__ = "0.1.0"

# Names are resolved on first use, so that a server that only captures never imports numpy.
_HOMES = {
    "AsyncClient": "nilometer.client.client_async",
    "Client": "nilometer.client.client",
    "ConfigError": "nilometer.values.errors",
    "IncompatibleSketches": "nilometer.values.errors",
    "Labels": "nilometer.values.labels",
    "NilometerError": "nilometer.values.errors",
    "NilometerMiddleware": "nilometer.capture.asgi",
    "NilometerWSGIMiddleware": "nilometer.capture.wsgi",
    "TDigest": "nilometer.sketch.tdigest",
    "Window": "nilometer.values.window",
    "label": "nilometer.capture.values",
    "log": "nilometer.capture.values",
    "observe": "nilometer.capture.observe",
    "profiler": "nilometer.profile.profiler",
}

__all__ = [
    "AsyncClient",
    "Client",
    "ConfigError",
    "IncompatibleSketches",
    "Labels",
    "NilometerError",
    "NilometerMiddleware",
    "NilometerWSGIMiddleware",
    "TDigest",
    "Window",
    "__version__",
    "label",
    "log",
    "observe",
    "profiler",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'nilometer' has no attribute {name!r}")
    module = import_module(home)
    if name in {"label", "log"}:
        import_module("nilometer.handoff.annotations").mark_used()
    found = globals()[name] = getattr(module, name)  # later look-ups are direct
    return found
