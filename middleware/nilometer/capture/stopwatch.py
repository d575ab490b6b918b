"""A stopwatch for the time that a request spends in nilometer's code."""

import copy
from collections.abc import Awaitable
from time import perf_counter
from typing import Protocol, TypeVar

from nilometer.capture.types import ASGIApp, Message, Receive, Scope, Send


class _Wrapper(Protocol):
    app: ASGIApp


M = TypeVar("M", bound=_Wrapper)


class Stopwatch:
    """Measures the time that one request spends in nilometer's code, in seconds.

    It runs from the arrival of a message or request until nilometer passes it on. Each measured
    period is synchronous, so concurrent requests of one event loop do not mix.
    """

    __slots__ = ("_began", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    def go(self) -> None:
        """Start the watch, because nilometer's code runs now."""
        self._began = perf_counter()

    def stop(self) -> None:
        """Stop the watch, because other code runs now."""
        self.seconds += perf_counter() - self._began

    def timed(self, middleware: M) -> M:
        """Return a copy of *middleware* for one request; its application stops the watch."""
        its_own = copy.copy(middleware)
        its_own.app = self._outside(middleware.app)
        return its_own

    def server(self, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """Return the server's `receive` and `send`, with the watch stopped while they wait."""
        go, stop = self.go, self.stop

        # Quoted types are not evaluated again for each request.
        async def receive_stopped() -> Message:
            stop()
            try:
                return await receive()
            finally:
                go()

        def send_stopped(message: Message) -> "Awaitable[None]":  # returns the server's awaitable
            stop()
            try:
                return send(message)
            finally:
                go()

        return receive_stopped, send_stopped

    def _outside(self, app: ASGIApp) -> ASGIApp:
        go, stop = self.go, self.stop

        async def app_stopped(scope: Scope, receive: Receive, send: Send) -> None:
            async def receive_going() -> Message:
                go()
                try:
                    return await receive()
                finally:
                    stop()

            def send_going(message: Message) -> "Awaitable[None]":
                go()
                try:
                    return send(message)
                finally:
                    stop()

            stop()
            try:
                return await app(scope, receive_going, send_going)
            finally:
                go()

        return app_stopped
