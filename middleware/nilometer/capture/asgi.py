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
from nilometer.capture.sink import Body, Headers
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

    def __init__(self, app: ASGIApp | None = None, /, **options: Any) -> None:
        # Starlette before 0.35 names the application; type checkers want it positional.
        self.app: ASGIApp = options.pop("app") if app is None else app
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
        self._worker = Worker(settings, self._guard)

    async def __call__(  # noqa: C901, PLR0915  see the docstring
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one scope through the application; note what passes, offer one observation.

        One function with closures, and a `send` that hands back the server's own awaitable: this
        is the path of every request, and objects and coroutines are what it would cost.
        """
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        worker, guard, cap = self._worker, self._guard, self._cap
        if (
            worker is None
            or scope.get("path") in self._excluded
            or (guard.until and guard.tripped)
            or not (worker.started or self._start(worker))
        ):
            await self.app(scope, receive, send)
            return
        request: Body = b""
        response: Body = b""
        request_size = response_size = status = 0
        headers: Headers = ()
        outcome = ""
        complete = left = False

        async def observed_receive() -> Message:
            nonlocal request, request_size, left
            message = await receive()
            try:
                if message["type"] == "http.request":
                    body = message.get("body")
                    if body:
                        request_size += len(body)
                        request = joined(request, body, request_size, cap)
                elif message["type"] == "http.disconnect":
                    left = True
            except Exception as error:  # monitoring must never fail a prediction
                guard.note(error)
            return message

        def observed_send(message: Message) -> Awaitable[None]:
            nonlocal response, response_size, status, headers, complete
            try:
                kind = message["type"]
                if kind == "http.response.body":
                    body = message.get("body")
                    if body:
                        response_size += len(body)
                        response = joined(response, body, response_size, cap)
                    if not message.get("more_body"):
                        complete = True
                elif kind == "http.response.start":
                    status = message["status"]
                    headers = message.get("headers", ())
                elif kind in _WHOLE_BODY:
                    response = None
                    complete = not message.get("more_body")
            except Exception as error:  # monitoring must never fail a prediction
                guard.note(error)
            return send(message)

        arrival_ns, started = time.time_ns(), time.perf_counter()
        try:
            await self.app(scope, observed_receive, observed_send)
        except asyncio.CancelledError:
            outcome = _CLIENT_LEFT
            raise
        except BaseException:
            outcome = _EXCEPTION
            raise
        finally:
            try:
                latency = time.perf_counter() - started
                worker.sink.offer(
                    (
                        arrival_ns,
                        latency,
                        status,
                        outcome or outcome_of(status, complete=complete, left=left),
                        scope["method"],
                        scope["path"],
                        request_size,
                        response_size,
                        scope["headers"],
                        headers,
                        request,
                        response,
                    ),
                    (request_size if request else 0) + (response_size if response else 0),
                )
            except Exception as error:  # monitoring must never fail a prediction
                guard.note(error, lost=1)

    def _start(self, worker: Worker) -> bool:
        """Start the thread of this process; false where that failed."""
        try:
            worker.ensure_started()
        except Exception as error:  # monitoring must never fail a prediction
            self._guard.note(error, lost=1)
            return False
        return True

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Scopes that are no HTTP request; `lifespan` tells when to begin and to end."""
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
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


def joined(held: Body, body: bytes, size: int, cap: int) -> Body:
    """What is held of a body when the chunk *body* has brought it to *size* bytes."""
    if size > cap or held is None:
        return None
    if type(body) is not bytes:
        body = bytes(body)  # it may change under us
    if not held:
        return body
    if isinstance(held, bytes):
        return [held, body]
    held.append(body)
    return held


def outcome_of(status: int, *, complete: bool, left: bool) -> str:
    """How a request ended that raised nothing."""
    if complete:
        return _OK if status < 400 else _CLIENT_ERROR if status < 500 else _FAILED
    return _CLIENT_LEFT if left or status else _NO_RESPONSE


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
