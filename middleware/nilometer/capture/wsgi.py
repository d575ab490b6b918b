"""The WSGI middleware: passes every call through, never waits, offers one observation.

The server gets the application's own status, headers and chunks. The application gets the server's
own functions behind objects that record what passes. Bodies are kept as they are read and sent, up
to a cap, and packed for a background thread when the response ends.
"""

import os
from collections.abc import Iterable
from random import random
from time import perf_counter, time_ns
from typing import Unpack

from nilometer.capture.interface import Interface, check_interface
from nilometer.capture.observer import Observer
from nilometer.capture.options import CaptureOptions
from nilometer.capture.types import Environ, StartResponse, WSGIApp
from nilometer.capture.values import Holder, current
from nilometer.capture.wsgi_exchange import INPUT, TimedExchange, WsgiExchange
from nilometer.capture.wsgi_input import observed_input
from nilometer.handoff.settings import PREFIX, CaptureSettings
from nilometer.settings.settings import load


class NilometerWSGIMiddleware(Observer):
    """Observes a WSGI application without changing its responses.

    ``app.wsgi_app = NilometerWSGIMiddleware(app.wsgi_app, entity="fraud-scorer")`` is enough for
    Flask. Any other application is wrapped:
    ``application = NilometerWSGIMiddleware(get_wsgi_application(), entity=...)``.

    Args:
        app: WSGI application to observe.
        **options: Settings, see `CaptureOptions`; a missing one comes from ``NILOMETER_*``.

    Raises:
        ConfigError: If a setting is wrong, or *app* is not a WSGI application.
    """

    _kind = WsgiExchange

    def __init__(self, app: WSGIApp, **options: Unpack[CaptureOptions]) -> None:
        self._set_up(app, options, added=False)

    @classmethod
    def stepping_aside(cls, app: WSGIApp) -> "NilometerWSGIMiddleware":
        """Return the middleware that `nilometer run` adds: `NILOMETER_*` holds its settings.

        It does not observe requests that a middleware in the application's code observes.

        Raises:
            ConfigError: If a setting is wrong, or *app* is not a WSGI application.
        """
        made = cls.__new__(cls)
        made._set_up(app, {}, added=True)  # noqa: SLF001  of this class
        return made

    def _set_up(self, app: WSGIApp, options: CaptureOptions, *, added: bool) -> None:
        check_interface(app, Interface.WSGI)
        self.app = app
        settings = load(CaptureSettings, prefix=PREFIX, arguments=options)
        self._open(settings, frozenset(options), added=added)
        packer = self._worker.packer
        self._request_keys = [(_key(name), name) for name in sorted(packer.request_names)]
        names = packer.response_names | {b"content-length"}
        self._response_names = {name.decode("latin-1"): name for name in names}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request through the application and offer one observation of it."""
        worker, exchange = self._worker, None
        try:
            path: str = environ.get("PATH_INFO", "")
            if not path.isascii():  # WSGI gives the bytes of the path as Latin-1
                path = path.encode("latin-1", "replace").decode("utf-8", "replace")
            if (
                (worker.live or worker.revive())
                and path not in self._excluded
                and not (self._has_rules and self._leaves_out(environ, path))
                and not (worker.nested and self._gives_way(environ, _full(environ), start_response))
            ):
                exchange = self._begun(environ, path, start_response)
            elif worker.nested:
                self._gives_way(environ, _full(environ), start_response)  # nobody observes it
        except Exception as error:  # monitoring must never fail a prediction
            worker.note(error, lost=1)
        if exchange is None:
            return self.app(environ, start_response)
        try:
            result = self.app(environ, exchange.start)
        except BaseException as error:
            exchange.end(error)
            raise
        passed: Iterable[bytes] = exchange.passed(result)
        return passed

    def _leaves_out(self, environ: Environ, path: str) -> bool:
        """Return whether a rule that is no plain path excludes a request."""
        content_type = environ.get("CONTENT_TYPE", "")
        return bool(self._exclude.match(environ.get("REQUEST_METHOD", ""), path, content_type))

    def _begun(self, environ: Environ, path: str, start_response: StartResponse) -> WsgiExchange:
        """Return the exchange of a request that begins."""
        worker = self._worker
        if worker.due:
            worker.due = False
            exchange: WsgiExchange = TimedExchange()
        else:
            exchange = WsgiExchange()
        exchange.worker = worker
        exchange.environ = environ
        exchange.path = path
        exchange.app_start = start_response
        exchange.wanted = self._response_names
        exchange.stall_seconds = self._stall_seconds
        exchange.cap = self._cap
        exchange.share = share = worker.share
        exchange.headers = headers = []
        for key, name in self._request_keys:
            if key in environ:
                headers.append((name, environ[key].encode("latin-1", "replace")))
        if share < 1.0:
            exchange.with_more()
            if random() >= share:  # noqa: S311  not for secrets
                exchange.cap, exchange.share = 0, -share
        if self._wants_more:
            self._add_more(exchange, environ)
        exchange.arrival_ns = time_ns()
        exchange.latest = exchange.started = perf_counter()
        if worker.notes:
            exchange.previous = _current()
            current.set(exchange)
            if worker.nested:
                self._enter(environ, _full(environ), exchange)
        stream = environ.get(INPUT)
        if stream is not None:
            environ[INPUT] = observed_input(stream, exchange)
        worker.in_flight = exchange.in_flight = worker.in_flight + 1
        return exchange

    def _add_more(self, exchange: WsgiExchange, environ: Environ) -> None:
        """Add what only some settings ask for."""
        more = exchange.with_more()
        if self._wants_query:
            exchange.query = environ.get("QUERY_STRING", "").encode("latin-1", "replace")
        if self._id_header:
            more.new_id = self._returned_id(environ)
        exchange.wants_route = self._wants_route

    def _returned_id(self, environ: Environ) -> tuple[bytes, bytes]:
        """Return the header to add to the response: the request's own id, or a new one."""
        given = environ.get(_key(self._id_header))
        made = os.urandom(16).hex() if given is None else given
        return self._id_header, made.encode("latin-1", "replace")


def _current() -> Holder | None:
    """Return the exchange or call that goes on in this context.

    A server may end an exchange in another thread, which cannot remove it from this one's context.
    """
    found = current.get()
    while isinstance(found, WsgiExchange) and found.ended:
        found = found.previous
    return found


def _full(environ: Environ) -> str:
    """Return the path of a request with the root path of the application."""
    return str(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))


def _key(header: bytes) -> str:
    """Return the key of a request header, given in lower case, in the environ."""
    name = header.decode("latin-1").upper().replace("-", "_")
    return name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"
