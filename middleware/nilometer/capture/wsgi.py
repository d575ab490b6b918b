"""The WSGI middleware: passes every call through and offers one observation, without waiting.

The server gets the application's own status, headers and chunks. The application gets objects that
call the server's functions and record the data. Bodies are kept as they are read and sent, up
to a cap, and packed for a background thread when the response ends.
"""

import os
from collections.abc import Iterable
from time import perf_counter, time_ns
from typing import Unpack

from nilometer.capture.interface import Interface, check_interface
from nilometer.capture.observer import Observer
from nilometer.capture.options import CaptureOptions
from nilometer.capture.types import Environ, StartResponse, WSGIApp
from nilometer.capture.values import Holder, current
from nilometer.capture.wsgi_exchange import INPUT, Recorded, WsgiExchange
from nilometer.capture.wsgi_headers import LENGTH, TYPE, HeaderNames, content_types
from nilometer.capture.wsgi_input import Input, set_reader
from nilometer.capture.wsgi_timed import TimedExchange
from nilometer.handoff.pack import Headers
from nilometer.handoff.settings import PREFIX, CaptureSettings
from nilometer.settings.settings import load


class NilometerWSGIMiddleware(Observer):
    """Observes a WSGI application without changing its responses.

    ``app.wsgi_app = NilometerWSGIMiddleware(app.wsgi_app, entity="fraud-scorer")`` is enough for
    Flask. Wrap any other application:
    ``application = NilometerWSGIMiddleware(get_wsgi_application(), entity=...)``.

    Args:
        app: WSGI application to observe.
        **options: Settings, see `CaptureOptions`; missing settings come from ``NILOMETER_*``.

    Raises:
        ConfigError: If a setting is wrong, or *app* is not a WSGI application.
    """

    _kind = WsgiExchange

    def __init__(self, app: WSGIApp, **options: Unpack[CaptureOptions]) -> None:
        self._set_up(app, options, added=False)

    @classmethod
    def stepping_aside(cls, app: WSGIApp) -> "NilometerWSGIMiddleware":
        """Return the middleware that `nilometer run` adds, with settings from `NILOMETER_*`.

        It leaves requests to a middleware in the application's code, if there is one.

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
        names = HeaderNames(packer.response_names | {LENGTH})
        stall_seconds = self._stall_seconds
        self._recorded = Recorded(names, self._wants_query, self._wants_route, stall_seconds)
        self._names = {_key(name): name for name in packer.request_names - {TYPE}}
        self._keys = self._names.keys()

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
                self._gives_way(environ, _full(environ), start_response)  # nothing observes it
        except Exception as error:  # monitoring must never fail a prediction
            worker.note(error, lost=1)
        app = self.app  # read before the call, see `NilometerMiddleware.__call__`
        if exchange is None:
            return app(environ, start_response)
        try:
            result = app(environ, exchange.start)
        except BaseException as error:
            exchange.end(error)
            raise
        passed: Iterable[bytes] = exchange.passed(result)
        return passed

    def _leaves_out(self, environ: Environ, path: str) -> bool:
        """Return whether a rule other than a plain path excludes a request."""
        content_type = environ.get("CONTENT_TYPE", "")
        return bool(self._exclude.match(environ.get("REQUEST_METHOD", ""), path, content_type))

    def _begun(self, environ: Environ, path: str, start_response: StartResponse) -> WsgiExchange:
        """Return the exchange of a new request."""
        worker = self._worker
        if worker.due:
            worker.due = False
            timed = TimedExchange()
            timed.worker = worker
            exchange: WsgiExchange = timed
            start_response = timed.not_timed(start_response)
        else:
            exchange = WsgiExchange()
            exchange.worker = worker
        exchange.app_start = start_response
        exchange.recorded = self._recorded
        exchange.cap = self._cap
        exchange.environ = environ
        exchange.path = path
        exchange.length = -1
        exchange.status = 0
        exchange.ended = False
        exchange.request = exchange.response = b""
        exchange.finished = exchange.more = exchange.annotations = exchange.previous = None
        exchange.response_headers = ()
        content_type = environ.get("CONTENT_TYPE")
        exchange.headers = content_types[content_type] if content_type else ()
        if not self._keys.isdisjoint(environ.keys()):
            exchange.headers = self._headers(environ, exchange.headers)
        if worker.share < 1.0:
            exchange.sample(worker.share)
        if self._wants_more or not self._cap:
            more = exchange.with_more()
            if self._id_header:
                more.new_id = self._returned_id(environ)
        exchange.arrival_ns = time_ns()
        exchange.latest = exchange.started = perf_counter()
        if worker.notes:
            previous = current.get()
            if previous is not None:
                exchange.previous = _going_on(previous)
            current.set(exchange)
            if worker.nested:
                self._enter(environ, _full(environ), exchange)
        exchange.input = None
        exchange.stream = environ.get(INPUT)
        if exchange.stream is not None:
            environ[INPUT] = exchange.input = own_input = Input()
            set_reader(own_input, exchange)
        worker.in_flight = exchange.in_flight = worker.in_flight + 1
        return exchange

    def _headers(self, environ: Environ, others: Headers) -> Headers:
        """Return the recorded headers of a request, and the headers of *others*."""
        return [
            *others,
            *(
                (name, environ[key].encode("latin-1", "replace"))
                for key, name in self._names.items()
                if key in environ
            ),
        ]

    def _returned_id(self, environ: Environ) -> tuple[bytes, bytes]:
        """Return the header to add to the response: the request's own id, or a new one."""
        given = environ.get(_key(self._id_header))
        made = os.urandom(16).hex() if given is None else given
        return self._id_header, made.encode("latin-1", "replace")


def _going_on(found: Holder | None) -> Holder | None:
    """Return *found*, or the nearest exchange or call around it that has not ended.

    A server may end an exchange in another thread, which cannot change this thread's context.
    """
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
