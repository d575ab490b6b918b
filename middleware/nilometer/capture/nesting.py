"""Nested middlewares: makes sure that each request is observed once.

The innermost middleware that names its own entity observes the request. If none does, the outermost
middleware observes it. A middleware that `nilometer run` added never observes if there is a
middleware in the application's code, because that one may redact.

A process with one middleware has no extra work. With more than one, each middleware marks the
request (the scope or the environ) with its exchange, and an inner middleware finds that mark. A
framework may build an inner middleware during its first request, which then has no mark. In that
case, the exchange is found behind `receive` or `start_response`. Between ASGI and WSGI, the context
variable of `nilometer.log` leads to the exchange.
"""

import weakref
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from nilometer.capture.exchange import Exchange
from nilometer.capture.values import current
from nilometer.capture.websocket import Connection
from nilometer.handoff.worker import Worker

MARK = "nilometer.exchange"  # key in the scope or the environ
MAX_LINKS = 64  # objects that are followed behind a function of the server


_workers: "weakref.WeakSet[Worker]" = weakref.WeakSet()
_added: "weakref.WeakSet[Worker]" = weakref.WeakSet()  # added by `nilometer run`


def join(worker: Worker, *, added: bool) -> int:
    """Add the worker of a new middleware; return the number of requests without its mark.

    Args:
        worker: Worker of the middleware.
        added: Whether `nilometer run` added the middleware.
    """
    others = list(_workers)
    _workers.add(worker)
    if added:
        _added.add(worker)
    if not others:
        return 0
    unmarked = sum(other.in_flight for other in others if not other.nested)
    for one in (*others, worker):
        one.nested = one.notes = True
    return unmarked


def running_with(worker: Worker) -> list[Worker]:
    """Return the running workers that end together with *worker*, including *worker*.

    A server reports its end only to the outermost middleware. Some servers then end their process
    with a signal, so that the workers of inner middlewares would never stop.
    """
    ending = {worker, *(_workers if worker.nested else ())}
    return [one for one in ending if one.runs]


def enter(request: MutableMapping[str, Any], exchange: Exchange, line: tuple[str, str]) -> None:
    """Mark *request* as observed by *exchange*; *line* is its method and path."""
    exchange.with_more().line = line
    with suppress(TypeError):  # the scope is read-only
        request[MARK] = exchange


def leave(request: MutableMapping[str, Any], exchange: Exchange) -> bool:
    """Remove the mark; return whether an inner middleware has observed the request instead."""
    more = exchange.more
    if more is None:
        return False
    if more.line is not None and request.get(MARK) is exchange:
        del request[MARK]  # otherwise the request and its exchange keep each other alive
    return more.inside


def is_added(exchange: Exchange | Connection) -> bool:
    """Return whether `nilometer run` added the middleware of *exchange*."""
    return exchange.worker in _added


def outer_of(
    request: MutableMapping[str, Any], kind: type[Exchange], line: tuple[str, str]
) -> Exchange | None:
    """Return the exchange of the middleware around this one; None without one.

    Args:
        request: Scope or environ.
        kind: Kind of the exchanges of this middleware.
        line: Method and path of the request.
    """
    found: Exchange | None = request.get(MARK)
    if found is not None:
        return found
    other = current.get()
    if isinstance(other, Exchange) and other.is_wsgi != kind.is_wsgi and other.more is not None:
        return other if other.more.line == line else None
    return None


def behind(server: object) -> Exchange | None:
    """Return the exchange behind *server*, through functions of other middlewares."""
    waiting = [server]
    for _ in range(MAX_LINKS):
        if not waiting:
            return None
        link = waiting.pop()
        owner = getattr(link, "__self__", None)
        if isinstance(owner, Exchange):
            return owner
        held = [*getattr(owner, "__dict__", {}).values(), getattr(link, "func", None)]
        for cell in getattr(link, "__closure__", None) or ():
            with suppress(ValueError):  # the context variable is not set yet
                held.append(cell.cell_contents)
        waiting += [one for one in held if callable(one) and not isinstance(one, type)]
    return None
