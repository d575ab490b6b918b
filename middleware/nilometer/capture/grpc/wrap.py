"""Puts an interceptor into every gRPC server that a process creates."""

import inspect
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import TypeAlias, TypeVar

from nilometer.capture.grpc.interceptors import AioCaptureInterceptor, CaptureInterceptor
from nilometer.values.limited_log import LimitedLog

R = TypeVar("R")

Interceptor: TypeAlias = CaptureInterceptor | AioCaptureInterceptor

_log = LimitedLog()


def wrap_servers(module: ModuleType) -> None:
    """Put an interceptor into every server that the process creates from now on.

    Args:
        module: The module `grpc`.
    """
    import grpc.aio

    module.server = _with_interceptor(module.server, CaptureInterceptor)  # type: ignore[attr-defined]
    grpc.aio.server = _with_interceptor(grpc.aio.server, AioCaptureInterceptor)


def _with_interceptor(make: Callable[..., R], kind: type[Interceptor]) -> Callable[..., R]:
    signature = inspect.signature(make)

    @wraps(make)
    def made(*arguments: object, **named: object) -> R:
        try:
            bound = signature.bind(*arguments, **named)
            own = list(bound.arguments.get("interceptors") or ())
            if not any(isinstance(one, kind) for one in own):
                # The interceptor is outermost, so that calls that others reject are observed as
                # well.
                bound.arguments["interceptors"] = [_shared(kind), *own]
            arguments, named = bound.args, bound.kwargs
        except Exception as error:  # the server must start even if nilometer fails
            _log.warning(f"a gRPC server is not observed: {error}: correct the setting and restart")
        return make(*arguments, **named)

    return made


_interceptors: dict[type[Interceptor], Interceptor] = {}


def _shared(kind: type[Interceptor]) -> Interceptor:
    """Return the interceptor that all servers of this process share, with one worker."""
    if kind not in _interceptors:
        _interceptors[kind] = kind()
    return _interceptors[kind]
