"""Middlewares around each other: each request is observed once.

The innermost middleware that names an entity of its own observes the request; without one, the
outermost does. A middleware that `nilometer run` added also gives way to every middleware that
somebody wrote into the code, because that one may redact.

A process with one middleware looks for nothing. With a second one, each middleware marks the
request (the scope or the environ) with its exchange, and an inner one finds that mark. A framework
may build an inner middleware while the first request for it is in progress already, and so not
marked. It is then found behind `receive` or
`start_response`. Between ASGI and WSGI the context variable of
`nilometer.log` leads to the exchange.
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
MAX_LINKS = 64  # objects that are looked at behind a function of the server


_workers: "weakref.WeakSet[Worker]" = weakref.WeakSet()
_added: "weakref.WeakSet[Worker]" = weakref.WeakSet()  # those of `nilometer run`


def join(worker: Worker, *, added: bool) -> int:
    """Add the worker of a new middleware; return how many requests are not marked for it.

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
    """Return the workers that end with *worker*, itself included, as far as they run.

    A server reports its end only to the outermost middleware. Some servers then end their process by
    a signal, so that nothing else could stop the workers of inner ones.
    """
    ending = {worker, *(_workers if worker.nested else ())}
    return [one for one in ending if one.runs]


def enter(request: MutableMapping[str, Any], exchange: Exchange, line: tuple[str, str]) -> None:
    """Mark *request* as observed by *exchange*; *line* is its method and path."""
    exchange.with_more().line = line
    with suppress(TypeError):  # a scope that nobody may write to
        request[MARK] = exchange


def leave(request: MutableMapping[str, Any], exchange: Exchange) -> bool:
    """Remove the mark; return whether an inner middleware has observed the request instead."""
    more = exchange.more
    if more is None:
        return False
    if more.line is not None and request.get(MARK) is exchange:
        del request[MARK]  # the request and its exchange would keep each other alive
    return more.inside


def is_added(exchange: Exchange | Connection) -> bool:
    """Return whether `nilometer run` added the middleware of *exchange*."""
    return exchange.worker in _added


def outer_of(
    request: MutableMapping[str, Any], kind: type[Exchange], line: tuple[str, str]
) -> Exchange | None:
    """Return the exchange of the middleware around this one; None if there is none.

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
    """Return the exchange that *server* leads to, through functions of other middlewares."""
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
            with suppress(ValueError):  # not set yet
                held.append(cell.cell_contents)
        waiting += [one for one in held if callable(one) and not isinstance(one, type)]
    return None
