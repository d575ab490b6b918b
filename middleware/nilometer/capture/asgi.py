"""The ASGI middleware: passes every message through, never waits, offers one observation.

Messages of every type are passed on unchanged. A guard surrounds the code that records them. Bodies
are not parsed here. They are kept as received, up to a cap, and packed for a background thread when
the application has returned.
"""

# mypy: disable-error-code="possibly-undefined"
# One guarded block sets the variables of the request path. They are not read if it failed.

import asyncio
import os
from random import random
from time import perf_counter, time_ns
from typing import Unpack

from nilometer.capture.exchange import Exchange, outcome_of
from nilometer.capture.headers import lasting_headers
from nilometer.capture.options import CaptureOptions
from nilometer.capture.stopwatch import Stopwatch
from nilometer.capture.types import ASGIApp, Message, Receive, Scope, Send
from nilometer.capture.values import current
from nilometer.handoff.guard import Guard
from nilometer.handoff.pack import Headers
from nilometer.handoff.settings import PREFIX, CaptureSettings
from nilometer.handoff.worker import Worker
from nilometer.settings.settings import load
from nilometer.values.errors import ConfigError
from nilometer.values.limited_log import LimitedLog
from nilometer.values.reasons import Outcome


class NilometerMiddleware:
    """Observes an ASGI application without changing its responses.

    ``app.add_middleware(NilometerMiddleware, entity="fraud-scorer")`` is enough for Starlette and
    FastAPI. Any other application is wrapped: ``app = NilometerMiddleware(app, entity=...)``.

    Args:
        app: ASGI application to observe.
        **options: Settings, see `CaptureOptions`; a missing one comes from ``NILOMETER_*``.

    Raises:
        ConfigError: If a setting is wrong and the server is not running yet. If the server itself
            builds the middleware, the start of the server fails with the same message.
    """

    def __init__(self, app: ASGIApp, **options: Unpack[CaptureOptions]) -> None:
        self._set_up(app, options, steps_aside=False)

    @classmethod
    def stepping_aside(cls, app: ASGIApp) -> "NilometerMiddleware":
        """Return a middleware that stops observing if the application has its own."""
        made = cls.__new__(cls)
        made._set_up(app, {}, steps_aside=True)  # noqa: SLF001  of this class
        return made

    def _set_up(self, app: ASGIApp, options: CaptureOptions, *, steps_aside: bool) -> None:
        self.app = app
        self._refusal: str | None = None
        self._worker = Worker.idle()
        try:
            settings = load(CaptureSettings, prefix=PREFIX, arguments=options)
        except ConfigError as error:
            if steps_aside or not _serving():
                raise
            self._refusal = f"nilometer: {error}"
            LimitedLog().warning(f"nothing is observed, a setting is wrong: {error}")
            settings = None
        if settings is not None:
            self._worker = Worker(settings, Guard())
            if steps_aside:
                _stepping_aside.append(self._worker)
            else:
                for worker in _stepping_aside:
                    worker.retire()
                _stepping_aside.clear()
        self._excluded = frozenset(settings.exclude if settings else ())
        self._cap = settings.body_cap if settings else 0
        self._stall_seconds = settings.stall_seconds if settings else 0.0
        self._wants_query = bool(settings and settings.query_parameters)
        self._id_header = (settings.return_prediction_id if settings else "").lower().encode()
        self._wants_more = self._wants_query or self._cap == 0 or bool(self._id_header)

    async def __call__(  # noqa: C901, PLR0912, PLR0915  see the docstring
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one scope through the application and offer one observation of it.

        Returns the application's return value. Servers check that this is None.

        The method is long and uses local variables because every request runs it: one function call
        costs as much as ten lines.
        """
        worker = self._worker
        # The path and the headers are read now: routers may change the scope.
        if (
            scope["type"] != "http"
            or not (worker.live or worker.revive())
            or (path := scope.get("path", "")) in self._excluded
        ):
            return await self._unobserved(scope, receive, send)
        if worker.due:
            return await self._timed(scope, receive, send)
        try:
            exchange = Exchange()
            exchange.app_receive = receive
            exchange.app_send = send
            exchange.worker = worker
            exchange.cap = self._cap
            exchange.share = share = worker.share
            exchange.status = 0
            exchange.response_headers = ()
            exchange.request = exchange.response = b""
            exchange.finished = exchange.more = exchange.annotations = None
            headers = scope["headers"]
            if type(headers) is not list and type(headers) is not tuple:
                headers = lasting_headers(scope)
            if share < 1.0:
                exchange.with_more()
                if random() >= share:  # noqa: S311  not for secrets
                    exchange.cap, exchange.share = 0, -share
            if self._wants_more:
                more = exchange.with_more()
                if self._id_header:
                    more.new_id = self._returned_id(headers)
            if worker.notes:
                current.set(exchange)
            arrival_ns = time_ns()
            exchange.latest = started = perf_counter()
            outcome, raised = "", None
            app_receive, app_send = exchange.receive, exchange.send
            worker.in_flight = in_flight = worker.in_flight + 1
        except Exception as error:  # monitoring must never fail a prediction
            worker.note(error, lost=1)
            exchange = None
        if exchange is None:
            return await self.app(scope, receive, send)
        try:
            return await self.app(scope, app_receive, app_send)
        except BaseException as error:
            raised = error
            raise
        finally:
            try:
                worker.in_flight -= 1
                if raised is not None:
                    outcome = ended_by(raised, exchange)
                    raised = None  # breaks the reference cycle of this frame and the exception's traceback
                if exchange.finished:
                    latency = exchange.latest - started
                    if not outcome:
                        outcome = _OK if exchange.status < 400 else outcome_of(exchange)
                else:
                    latency = perf_counter() - started
                    outcome = outcome or outcome_of(exchange)
                request, response, rest = exchange.request, exchange.response, None
                if exchange.more is not None or exchange.annotations is not None:
                    query = scope.get("query_string") if self._wants_query else None
                    ended_at = started + latency
                    rest = exchange.rest(outcome, started, ended_at, self._stall_seconds, query)
                # A task that the handler started may keep the exchange through its context, and
                # call `log` after the request has ended.
                exchange.request = exchange.response = exchange.annotations = None
                packed = worker.packer.pack(
                    arrival_ns,
                    latency,
                    exchange.status,
                    outcome,
                    scope["method"],
                    path,
                    headers,
                    exchange.response_headers,
                    request,
                    response,
                    in_flight,
                    rest,
                )
                worker.sink.offer(packed)
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

    def _returned_id(self, headers: Headers) -> tuple[bytes, bytes]:
        """Return the header to add to the response: the request's own id, or a new one."""
        name = self._id_header
        for key, value in headers:
            if key == name:
                return name, bytes(value)
        return name, os.urandom(16).hex().encode()

    async def _unobserved(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a scope that is not an HTTP request; `lifespan` says when the server ends."""
        if scope["type"] != "lifespan":
            return await self.app(scope, receive, send)
        if self._refusal is not None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": self._refusal})
            return None
        told = False

        async def stopping_send(message: Message) -> None:
            nonlocal told
            # The worker stops before the server gets the message: the server may end the process
            # then.
            if message["type"] in _SHUT_DOWN:
                told = True
                await self._stop()
            await send(message)

        try:
            return await self.app(scope, receive, stopping_send)
        finally:
            # The worker is not stopped again after the server has the message: the server expects
            # the application to be finished, and cancels it if it still runs.
            if not told:
                await self._stop()

    async def _stop(self) -> None:
        worker = self._worker
        try:
            if not worker.runs:
                return
            if _serving():
                await asyncio.to_thread(worker.stop)
            else:  # another event loop, such as trio's: blocking it at the end does no harm
                worker.stop()
        except Exception as error:  # an error here must not disturb the shutdown of the host
            worker.note(error)


_SHUT_DOWN = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed"})
_stepping_aside: list[Worker] = []  # callbacks of middlewares that `nilometer run` added


def ended_by(error: BaseException, exchange: Exchange) -> str:
    """Return the outcome of an exchange whose application raised *error*.

    An error after a complete response does not change the outcome, unless the response itself was
    an error. A background task may raise it, or a server that shuts down.
    """
    if exchange.finished and exchange.status < 500:
        return outcome_of(exchange)
    if (
        isinstance(error, asyncio.CancelledError)
        or (exchange.more is not None and exchange.more.left)
        or type(error).__name__ == "ClientDisconnect"  # Starlette's error if `send` fails
    ):
        return _CLIENT_LEFT
    return _EXCEPTION


# Texts, because reading an enumeration's value costs a look-up for each request.
_OK = Outcome.OK.value
_EXCEPTION = Outcome.EXCEPTION.value
_CLIENT_LEFT = Outcome.CLIENT_LEFT.value


def _serving() -> bool:
    """Return whether a server is running already: an error would not stop its start."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
