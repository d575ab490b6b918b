"""A WSGI exchange that measures how long nilometer's code takes in its request."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from nilometer.capture.types import StartResponse
from nilometer.capture.wsgi_exchange import WsgiExchange
from nilometer.capture.wsgi_input import ALL
from nilometer.handoff.worker import Worker


class TimedExchange(WsgiExchange):
    """An exchange that measures how long its own code takes.

    Attributes:
        made: Time when the exchange was made, in monotonic seconds.
        seconds: Measured time so far.
        waited: Time in the server's `start_response`, which does not count, in seconds.
    """

    __slots__ = ("made", "seconds", "waited")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waited: list[float] = []
        self.made = perf_counter()

    def not_timed(self, start_response: StartResponse) -> StartResponse:
        """Return the server's *start_response*; its time is not counted as nilometer's."""
        worker, waited = self.worker, self.waited

        def start(*arguments: Any) -> Any:
            began = _now(worker)
            try:
                return start_response(*arguments)
            finally:
                waited.append(_now(worker) - began)

        return start

    def start(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Start and measure the response."""
        return self._timed(super().start, status, headers, exc_info)

    def note_chunk(self, chunk: Any) -> None:
        """Record and measure a part of the response's body."""
        self._timed(super().note_chunk, chunk)

    def note_read(self, chunk: Any, size: Any = ALL) -> None:
        """Record and measure a read of the request's body."""
        self._timed(super().note_read, chunk, size)

    def end(self, raised: BaseException | None) -> None:
        """Offer the observation, and record the time."""
        if self.ended:
            return
        self._timed(super().end, raised)
        try:
            own = self.started - self.made + self.seconds - sum(self.waited)
            self.worker.meter.note(own)
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)

    def _timed(self, record: Callable[..., Any], *arguments: object) -> Any:
        began = _now(self.worker)
        try:
            return record(*arguments)
        finally:
            self.seconds += _now(self.worker) - began


def _now(worker: Worker) -> float:
    try:
        return float(perf_counter())
    except Exception as error:  # monitoring must never fail a prediction
        worker.note(error)
        return 0.0
