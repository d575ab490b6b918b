"""The ASGI middleware: pass everything through, never wait, keep references, offer once.

A message goes on as it came, of any type, known or not; what we note of it stands behind a guard.
Nothing is parsed here: bodies are kept as the chunks they came in, up to a cap, and given to a
background thread when the response ends.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from nilometer.capture.guard import Guard
from nilometer.capture.settings import PREFIX, CaptureSettings
from nilometer.capture.worker import Worker
from nilometer.errors import ConfigError
from nilometer.reasons import Outcome
from nilometer.settings import load

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("nilometer.capture")


class NilometerMiddleware:
    """Observes an ASGI application without touching its answers.

    ``app.add_middleware(NilometerMiddleware, entity="fraud-scorer")`` is all a Starlette or
    FastAPI application needs; any other is wrapped: ``app = NilometerMiddleware(app, entity=...)``.

    Args:
        app: The application.
        **options: See `CaptureSettings`; what is not given comes from ``NILOMETER_*``.

    Raises:
        ConfigError: If a setting is wrong and the application is not being served yet. Where the
            server builds the middleware itself, its start fails with the same line.
    """

    def __init__(self, app: ASGIApp, **options: object) -> None:
        self.app = app
        self._refusal: str | None = None
        self._guard = Guard()
        self._worker: Worker | None = None
        self._excluded: frozenset[str] = frozenset()
        self._cap = 0
        try:
            settings = load(CaptureSettings, prefix=PREFIX, arguments=options)
        except ConfigError as error:
            if not _serving():
                raise
            self._refusal = f"nilometer: {error}"
            log.error("settings refused", extra={"reason": str(error)})  # noqa: TRY400
            return
        self._excluded = frozenset(settings.exclude)
        self._cap = settings.max_body_bytes
        self._worker = Worker(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope through the application."""
        kind = scope["type"]
        if kind != "http":
            if kind == "lifespan":
                await self._lifespan(scope, receive, send)
            else:
                await self.app(scope, receive, send)
            return
        exchange = self._begin(scope, receive, send)
        if exchange is None:
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            exchange.outcome = _CLIENT_LEFT
            raise
        except BaseException:
            exchange.outcome = _EXCEPTION
            raise
        finally:
            exchange.finish()

    def _begin(self, scope: Scope, receive: Receive, send: Send) -> "Exchange | None":
        worker = self._worker
        if worker is None or self._guard.tripped:
            return None
        try:
            if scope["path"] in self._excluded:
                return None
            worker.ensure_started()
            return Exchange(scope, receive, send, worker, self._guard, self._cap)
        except Exception as error:  # monitoring must never fail a prediction
            self._guard.note(error)
            return None

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._refusal is not None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": self._refusal})
            return
        try:
            await self.app(scope, receive, send)
        finally:
            if self._worker is not None:
                try:
                    await asyncio.to_thread(self._worker.stop)
                except Exception as error:  # the end of the host is not ours to disturb
                    self._guard.note(error)


class Exchange:
    """What is noted of one request while it passes."""

    __slots__ = (
        "_app_receive",
        "_app_send",
        "_arrival_ns",
        "_cap",
        "_complete",
        "_guard",
        "_left",
        "_request",
        "_request_size",
        "_response",
        "_response_headers",
        "_response_size",
        "_scope",
        "_started",
        "_status",
        "_worker",
        "outcome",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        worker: Worker,
        guard: Guard,
        cap: int,
    ) -> None:
        self._scope = scope
        self._app_receive = receive
        self._app_send = send
        self._worker = worker
        self._guard = guard
        self._cap = cap
        self._request: list[bytes] | None = []
        self._response: list[bytes] | None = []
        self._request_size = 0
        self._response_size = 0
        self._response_headers: Any = ()
        self._status = 0
        self._complete = False
        self._left = False
        self.outcome = ""
        self._arrival_ns = time.time_ns()
        self._started = time.perf_counter()

    async def receive(self) -> Message:
        """What the server gives, noted."""
        message = await self._app_receive()
        try:
            kind = message["type"]
            if kind == "http.request":
                body = message.get("body")
                if body:
                    self._request_size += len(body)
                    if self._request is not None:
                        if self._request_size > self._cap:
                            self._request = None
                        else:
                            self._request.append(body if type(body) is bytes else bytes(body))
            elif kind == "http.disconnect":
                self._left = True
        except Exception as error:  # monitoring must never fail a prediction
            self._guard.note(error)
        return message

    async def send(self, message: Message) -> None:
        """What the application says, noted and passed on."""
        try:
            kind = message["type"]
            if kind == "http.response.body":
                body = message.get("body")
                if body:
                    self._response_size += len(body)
                    if self._response is not None:
                        if self._response_size > self._cap:
                            self._response = None
                        else:
                            self._response.append(body if type(body) is bytes else bytes(body))
                if not message.get("more_body", False):
                    self._complete = True
            elif kind == "http.response.start":
                self._status = message["status"]
                self._response_headers = message.get("headers", ())
            elif kind in _WHOLE_BODY:
                self._response = None
                self._complete = not message.get("more_body", False)
        except Exception as error:  # monitoring must never fail a prediction
            self._guard.note(error)
        await self._app_send(message)

    def finish(self) -> None:
        """Offer the observation, once."""
        try:
            latency = time.perf_counter() - self._started
            status = self._status
            outcome = self.outcome
            if not outcome:
                if self._complete:
                    outcome = _OK if status < 400 else _CLIENT_ERROR if status < 500 else _FAILED
                else:
                    outcome = _CLIENT_LEFT if self._left or status else _NO_RESPONSE
            scope = self._scope
            held = 0
            if self._request is not None:
                held = self._request_size
            if self._response is not None:
                held += self._response_size
            self._worker.sink.offer(
                (
                    self._arrival_ns,
                    latency,
                    status,
                    outcome,
                    scope["method"],
                    scope["path"],
                    scope["headers"],
                    self._response_headers,
                    self._request,
                    self._response,
                    self._request_size,
                    self._response_size,
                ),
                held,
            )
        except Exception as error:  # monitoring must never fail a prediction
            self._guard.note(error)


# As text: an enumeration's value costs a look-up on each request.
_OK = Outcome.OK.value
_CLIENT_ERROR = Outcome.CLIENT_ERROR.value
_FAILED = Outcome.SERVER_ERROR.value
_EXCEPTION = Outcome.EXCEPTION.value
_CLIENT_LEFT = Outcome.CLIENT_LEFT.value
_NO_RESPONSE = Outcome.NO_RESPONSE.value

# Bodies that the server reads itself: their bytes never pass here.
_WHOLE_BODY = frozenset({"http.response.pathsend", "http.response.zerocopysend"})


def _serving() -> bool:
    """Whether a server is running already, so that raising would not stop its start."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
