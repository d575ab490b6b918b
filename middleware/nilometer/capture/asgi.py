"""The ASGI middleware: passes every message through and offers one observation, without waiting.

Messages of every type are passed on unchanged. A guard surrounds the code that records them. Bodies
are not parsed here. They are kept as received, up to a cap, and packed for a background thread when
the application has returned.
"""

# mypy: disable-error-code="possibly-undefined"
# One guarded block sets the variables of the request path. If it fails, they are not read.

import asyncio
import os
from collections.abc import Callable
from time import perf_counter, time_ns
from typing import Any, TypeVar, Unpack, cast

from nilometer.capture.exchange import Exchange
from nilometer.capture.finisher import Finisher
from nilometer.capture.headers import content_type_of, lasting_headers
from nilometer.capture.interface import Interface, check_interface
from nilometer.capture.nesting import MARK, is_added, running_with
from nilometer.capture.options import CaptureOptions
from nilometer.capture.route import route_of
from nilometer.capture.sized_exchange import SizedExchange
from nilometer.capture.stopwatch import Stopwatch
from nilometer.capture.types import ASGIApp, Message, Receive, Scope, Send
from nilometer.capture.values import current
from nilometer.capture.websocket import Connection
from nilometer.handoff.pack import DESCRIBING, Headers
from nilometer.handoff.plain import check_installed, lane
from nilometer.handoff.settings import PREFIX, CaptureSettings
from nilometer.profiling.observation import WEBSOCKET
from nilometer.settings.settings import load
from nilometer.values.errors import ConfigError
from nilometer.values.limited_log import LimitedLog
from nilometer.values.reasons import Outcome
from nilometer.values.root_path import below_root

Serve = TypeVar("Serve", bound=Callable[..., Any])


def _compiled_if_plain(serve: Serve) -> Serve:
    """Return *serve* with plain requests served in C, if `nilometer-speedups` is installed."""
    return serve if lane is None else cast("Serve", lane.Method(serve))


class NilometerMiddleware(Finisher):
    """Observes an ASGI application without changing its responses.

    ``app.add_middleware(NilometerMiddleware, entity="fraud-scorer")`` is enough for Starlette and
    FastAPI. Wrap any other application: ``app = NilometerMiddleware(app, entity=...)``.

    Args:
        app: ASGI application to observe.
        **options: Settings, see `CaptureOptions`; missing settings come from ``NILOMETER_*``.

    Raises:
        ConfigError: If a setting is wrong and the server is not running yet. If the server itself
            builds the middleware, the start of the server fails with the same message.
    """

    def __init__(self, app: ASGIApp, **options: Unpack[CaptureOptions]) -> None:
        self._set_up(app, options, added=False)

    @classmethod
    def stepping_aside(cls, app: ASGIApp) -> "NilometerMiddleware":
        """Return the middleware that `nilometer run` adds, with settings from `NILOMETER_*`.

        It leaves requests to a middleware in the application's code, if there is one.

        Raises:
            ConfigError: If a setting is wrong, or *app* is not an ASGI application.
        """
        made = cls.__new__(cls)
        made._set_up(app, {}, added=True)  # noqa: SLF001  of this class
        return made

    def _set_up(self, app: ASGIApp, options: CaptureOptions, *, added: bool) -> None:
        self.app = app
        self._refusal: str | None = None
        try:
            check_interface(app, Interface.ASGI)
            settings = load(CaptureSettings, prefix=PREFIX, arguments=options)
            check_installed(settings.speedups)
            self._open_lane(settings, frozenset(options), added=added)
        except ConfigError as error:
            if added or not _serving():
                raise
            self._refusal = f"nilometer: {error}"
            LimitedLog().warning(f"nothing is observed: {error}")
            self._open_lane(None, frozenset(options), added=added)

    def _open_lane(
        self, settings: CaptureSettings | None, options: frozenset[str], *, added: bool
    ) -> None:
        """Prepare for observation, by C where it serves plain requests; see `_open`.

        Raises:
            ConfigError: If speedups are required, and C cannot serve requests.
        """
        self._open(settings, options, added=added)
        self._kind = Exchange
        if settings is not None and not self._cap:
            self._cap, self._kind = settings.max_body_bytes, SizedExchange
        self._keeps_bodies = self._kind is Exchange
        self._plain = None
        if lane is not None and settings is not None and settings.speedups != "off":
            self._plain = self._plain_entry()

    def _plain_entry(self) -> Any:
        """Return what C needs to serve plain requests; None if no request is plain."""
        if self._wants_more or self._has_rules:
            return None
        packer = self._worker.packer
        try:
            return lane.Entry(
                gate=self._worker,
                excluded=self._excluded,
                cap=self._cap,
                request_names=packer.request_names - DESCRIBING,
                response_names=packer.response_names - DESCRIBING,
                variable=current,
                kind=self._kind,
                keeps_bodies=self._keeps_bodies,
                values_only=packer.values_only,
            )
        except (TypeError, ValueError) as error:  # such as the name of a header of 64 bytes
            if self._worker.settings.speedups == "required" and isinstance(error, TypeError):
                raise ConfigError(
                    f"speedups = required: C cannot serve requests: {error}"
                ) from error
            LimitedLog().warning(f"nilometer-speedups serves no request: {error}")
            return None

    @_compiled_if_plain
    async def __call__(  # noqa: C901, PLR0912, PLR0915  see the docstring
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one scope through the application and offer one observation of it.

        Returns the application's return value. Servers check that this is None.

        The method is long and uses local variables because every request runs it: one function call
        costs as much as ten lines. It reads an attribute before it calls it, unless that is a
        method, because CPython optimises only this form.
        """
        app, worker = self.app, self._worker
        # The path and the headers are read now: routers may change the scope.
        if scope["type"] != "http" or not (worker.live or worker.revive()):
            return await self._unobserved(scope, receive, send)
        try:
            path, root = scope["path"], scope["root_path"]
        except KeyError:  # ASGI allows a scope without root path
            path, root = scope.get("path", ""), scope.get("root_path", "")
        if root:
            path = below_root(path, root)
        if path in self._excluded or (self._has_rules and self._leaves_out(scope, path)):
            return await self._unobserved(scope, receive, send)
        if worker.due:
            return await self._timed(scope, receive, send)
        if worker.nested and self._gives_way(scope, scope.get("path", ""), receive):
            return await app(scope, receive, send)
        try:
            kind = self._kind
            exchange = kind()
            exchange.app_receive = receive
            exchange.app_send = send
            exchange.worker = worker
            exchange.cap = self._cap
            exchange.status = 0
            exchange.response_headers = ()
            exchange.request = exchange.response = b""
            exchange.finished = exchange.more = exchange.annotations = None
            headers = scope["headers"]
            if type(headers) is not list and type(headers) is not tuple:
                headers = lasting_headers(scope)
            if worker.share < 1.0:
                exchange.sample(worker.share)
            if self._wants_more:
                more = exchange.with_more()
                if self._id_header:
                    more.new_id = self._returned_id(headers)
            if worker.notes:
                current.set(exchange)
                if worker.nested:
                    self._enter(scope, scope.get("path", ""), exchange)
            arrival_ns = time_ns()
            exchange.latest = started = perf_counter()
            raised = None
            app_receive, app_send = exchange.receive, exchange.send
            worker.in_flight = in_flight = worker.in_flight + 1
        except Exception as error:  # monitoring must never fail a prediction
            worker.note(error, lost=1)
            exchange = None
        if exchange is None:
            return await app(scope, receive, send)
        try:
            return await app(scope, app_receive, app_send)
        except BaseException as error:
            raised = error
            raise
        finally:
            try:
                if (
                    exchange.finished  # its last message has ended the request in flight
                    and raised is None
                    and exchange.more is None
                    and exchange.annotations is None
                    and exchange.status < 400
                    and self._keeps_bodies
                ):
                    packed = worker.packer.pack(
                        arrival_ns,
                        exchange.latest - started,
                        exchange.status,
                        _OK,
                        scope["method"],
                        path,
                        headers,
                        exchange.response_headers,
                        exchange.request,
                        exchange.response,
                        in_flight,
                        None,
                    )
                    # A task that the handler started may keep the exchange through its context, and
                    # call `log` after the request has ended.
                    exchange.request = exchange.response = exchange.annotations = None
                    worker.sink.offer(packed)
                else:
                    self._finish(
                        exchange, raised, scope, path, headers, arrival_ns, started, in_flight
                    )
                    raised = None  # breaks the cycle of this frame and the exception's traceback
            except Exception as error:  # monitoring must never fail a prediction
                worker.note(error, lost=1)

    async def _timed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope like `__call__`, and measure how long this code took."""
        worker = self._worker
        worker.due = False
        middleware, own_receive, own_send, watch = self, receive, send, None
        try:
            watch = Stopwatch()
            timed = watch.timed(self)
            own_receive, own_send = watch.server(receive, send)
            watch.go()
            middleware = timed
        except Exception as error:  # monitoring must never fail a prediction
            worker.note(error)
            own_receive, own_send, watch = receive, send, None
        try:
            return await middleware(scope, own_receive, own_send)
        finally:
            if watch is not None:
                watch.stop()
                worker.meter.note(watch.seconds)

    def _leaves_out(self, scope: Scope, path: str) -> bool:
        """Return whether a rule other than a plain path excludes a request."""
        try:
            asked = self._exclude.needs_content_type
            content_type = content_type_of(lasting_headers(scope)) if asked else ""
            return bool(self._exclude.match(scope.get("method", WEBSOCKET), path, content_type))
        except Exception as error:  # monitoring must never fail a prediction
            self._worker.note(error)
            return False

    def _returned_id(self, headers: Headers) -> tuple[bytes, bytes]:
        """Return the header to add to the response: the request's own id, or a new one."""
        name = self._id_header
        for key, value in headers:
            if key == name:
                return name, bytes(value)
        return name, os.urandom(16).hex().encode()

    async def _unobserved(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a scope other than HTTP: count a WebSocket; stop when `lifespan` ends."""
        if scope["type"] == "websocket":
            return await self._connected(scope, receive, send)
        if scope["type"] != "lifespan":
            if self._worker.nested and scope["type"] == "http":
                self._gives_way(scope, scope.get("path", ""), receive)  # nothing observes it
            return await self.app(scope, receive, send)
        if self._refusal is not None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": self._refusal})
            return None
        told = False

        async def stopping_send(message: Message) -> None:
            nonlocal told
            # Stop the worker before the server gets the message, because the server may then end
            # the process.
            if message["type"] in _SHUT_DOWN:
                told = True
                await self._stop()
            await send(message)

        try:
            return await self.app(scope, receive, stopping_send)
        finally:
            # Do not stop the worker again after the server has the message: the server expects
            # the application to be finished, and cancels it otherwise.
            if not told:
                await self._stop()

    async def _connected(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket connection and offer one observation of it."""
        worker, connection, raised = self._worker, None, None
        own_receive, own_send = receive, send
        try:
            path = below_root(scope.get("path", ""), scope.get("root_path", ""))
            if (worker.live or worker.revive()) and self._counts(scope, path):
                made = Connection(worker, receive, send, path)
                own_receive, own_send = made.receive, made.send
                connection = made
                if worker.nested:
                    scope[MARK] = made
        except Exception as error:  # monitoring must never fail a prediction
            worker.note(error, lost=int(connection is None))
        try:
            return await self.app(scope, own_receive, own_send)
        except BaseException as error:
            raised = error
            raise
        finally:
            try:
                if connection is not None:
                    if scope.get(MARK) is connection:
                        del scope[MARK]
                    route = route_of(scope, connection.path) if self._wants_route else ""
                    connection.end(raised, route)
            except Exception as error:  # monitoring must never fail a prediction
                worker.note(error, lost=1)
            raised = None  # breaks the cycle of this frame and the exception's traceback

    def _counts(self, scope: Scope, path: str) -> bool:
        """Return whether this middleware counts a WebSocket, because no outer middleware does."""
        if path in self._excluded or (self._has_rules and self._leaves_out(scope, path)):
            return False
        outer = scope.get(MARK)
        if outer is None:
            return True
        if not self._named and not (self._written and is_added(outer)):
            return False
        outer.inside = True
        return True

    async def _stop(self) -> None:
        worker = self._worker
        try:
            running = running_with(worker)
            if running and _serving():
                stops = (asyncio.to_thread(one.stop) for one in running)
                await asyncio.gather(*stops)
            else:  # another event loop, such as trio's: blocking it at the end does no harm
                for one in running:
                    one.stop()
        except Exception as error:  # an error here must not disturb the shutdown of the host
            worker.note(error)


_SHUT_DOWN = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed"})
_OK = Outcome.OK.value  # a text, because reading an enumeration's value costs a look-up per request


def _serving() -> bool:
    """Return whether a server is already running, so that an error cannot stop its start."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
