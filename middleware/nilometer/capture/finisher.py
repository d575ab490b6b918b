"""The end of an ASGI exchange that is not plain."""

import asyncio
from time import perf_counter

from nilometer.capture.exchange import Exchange, ended_by, outcome_of
from nilometer.capture.nesting import leave
from nilometer.capture.observer import Observer
from nilometer.capture.route import route_of
from nilometer.capture.types import Scope
from nilometer.handoff.pack import Headers
from nilometer.handoff.sink import Sink
from nilometer.values.reasons import Outcome

NOWHERE = Sink(0)  # for requests that an inner middleware has observed


class Finisher(Observer):
    """Offers the observations of exchanges that `NilometerMiddleware.__call__` does not pack itself."""

    _keeps_bodies: bool

    def _finish(
        self,
        exchange: Exchange,
        raised: BaseException | None,
        scope: Scope,
        path: str,
        headers: Headers,
        arrival_ns: int,
        started: float,
        in_flight: int,
    ) -> None:
        """Offer the observation of an exchange that is not plain.

        Args:
            exchange: Exchange that has ended.
            raised: Exception that the application raised; None if it returned.
            scope: Scope of the request.
            path: Path below the root path at the start.
            headers: Headers of the request at the start.
            arrival_ns: Start of the request, in Unix nanoseconds.
            started: Start of the request, in monotonic seconds.
            in_flight: Number of requests in progress at the start, including this one.
        """
        worker = self._worker
        try:
            worker.in_flight -= not exchange.finished  # else its last message has done this
            latency = (exchange.latest if exchange.finished else perf_counter()) - started
            outcome = _outcome(exchange, raised)
            raised = None  # breaks the cycle of this frame and the exception's traceback
            rest, sink = None, worker.sink
            more = exchange.more
            if more is not None or exchange.annotations is not None or not self._keeps_bodies:
                query = scope.get("query_string") if self._wants_query else None
                if self._wants_route:
                    exchange.with_more().route = route_of(scope, path)
                ended_at = started + latency
                rest = exchange.rest(outcome, started, ended_at, self._stall_seconds, query)
                if leave(scope, exchange):
                    sink = NOWHERE
                if not self._keeps_bodies:
                    exchange.request = exchange.response = None
            packed = worker.packer.pack(
                arrival_ns,
                latency,
                exchange.status,
                outcome,
                scope["method"],
                path,
                headers,
                exchange.response_headers,
                exchange.request,
                exchange.response,
                in_flight,
                rest,
            )
            exchange.request = exchange.response = exchange.annotations = None
            sink.offer(packed)
        except Exception as error:  # monitoring must never fail a prediction
            worker.note(error, lost=1)


# Stored as texts, because reading an enumeration's value costs a look-up per request.
_CLIENT_LEFT = Outcome.CLIENT_LEFT.value
_CANCELLED = (asyncio.CancelledError,)


def _outcome(exchange: Exchange, raised: BaseException | None) -> str:
    """Return the outcome of an exchange whose application returned, or raised *raised*.

    A client that disconnects while the application works gets no response, even if one is sent.
    """
    if raised is not None:
        return ended_by(raised, exchange, _CANCELLED)
    if exchange.more is not None and exchange.more.left:
        return _CLIENT_LEFT
    return outcome_of(exchange)
