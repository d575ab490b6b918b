"""Shipping: sends outbox rows to the collector, oldest first, and deletes the acknowledged ones.

| answer of the collector | rows |
|---|---|
| stored, or stored before | deleted |
| one row is rejected | that row goes to quarantine, the others are deleted |
| this agent may not ship the entity of a row | the same; the log names the entity once |
| the batch is too large | half of it is sent; a single row that is too large goes to quarantine |
| calls with one row always fail, calls with another row succeed | that row goes to quarantine |
| not now (down, slow, overloaded) | kept; retried after a random wait, or after the requested one |
| refused (token, certificate, version) | kept; retried as above; `state` says why |
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Protocol

import grpc

from nilometer.values.clock import Clock
from nilometer.values.errors import BatchRejected, CollectorUnavailable, ShipError
from nilometer.wire.services import Row, ShipRequest
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.outbox.outlets import Outlet
from nilometer_agent.outbox.rows import OutboxRow
from nilometer_agent.uplink.backoff import Backoff
from nilometer_agent.uplink.dial import Reach
from nilometer_agent.uplink.messages import (
    MAX_REASON_CHARACTERS,
    OF_ROWS,
    Tally,
    refused_predictions,
    to_wire,
)

MAX_ROWS = 500
MAX_BYTES = 1 << 20  # size of the payloads in one call
DEADLINE_SECONDS = 10.0
IDLE_SECONDS = 1.0
SUSPECT_FAILURES = 3  # failures of one batch before its rows are sent one by one
MAX_FORBIDDEN = 1000  # entities that are remembered as forbidden, so that each is logged once

log = logging.getLogger("nilometer.agent")


class CollectorState(Enum):
    """State of the connection to the collector."""

    UNSET = "unset"
    CONNECTING = "connecting"
    READY = "ready"
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"  # the collector asked the agent to wait
    AUTH_ERROR = "auth_error"  # the token or certificate is unknown, or for another agent name
    TLS_ERROR = "tls_error"  # the TLS handshake fails, such as after a certificate has expired
    VERSION_ERROR = "version_error"  # the collector does not have the method
    REFUSED = "refused"  # the collector refuses the request


_STATES: Mapping[grpc.StatusCode, CollectorState] = {
    grpc.StatusCode.UNAUTHENTICATED: CollectorState.AUTH_ERROR,
    grpc.StatusCode.PERMISSION_DENIED: CollectorState.AUTH_ERROR,
    grpc.StatusCode.UNIMPLEMENTED: CollectorState.VERSION_ERROR,
    grpc.StatusCode.INVALID_ARGUMENT: CollectorState.REFUSED,
    grpc.StatusCode.FAILED_PRECONDITION: CollectorState.REFUSED,
}
# Codes that one bad row may cause, because the collector could not read the batch.
_SUSPECT = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DATA_LOSS,
}


class Collector(Protocol):
    """The calls to the collector that the shipper and the plan need."""

    def Ship(self, request: Any, timeout: float) -> Any:  # noqa: N802  the contract's name
        """Ask the collector to store rows."""
        ...

    def GetPlan(self, request: Any, timeout: float) -> Any:  # noqa: N802  as above
        """Ask the collector for references and alerters."""
        ...

    def probe(self) -> tuple[Reach, str]:
        """Return the result of probing the address, and the reason if the connection fails."""
        ...


class Shipper:
    """Sends outbox rows to the collector, on a thread of its own.

    Args:
        agent: Stable name of this agent.
        instance: 16 random bytes that name this process.
        outlet: Outbox with the rows.
        collector: Connection to the collector; None if no collector is set.
        counters: Counters of the agent.
        clock: Clock for waits, and for the time that the collector compares with its own.
        backoff: Source of the waits between attempts; None makes a new one.
        tally: Counters of the rows that leave the outbox.
    """

    def __init__(
        self,
        agent: str,
        instance: bytes,
        outlet: Outlet,
        collector: Collector | None,
        counters: Counters,
        clock: Clock,
        backoff: Backoff | None = None,
        tally: Tally = OF_ROWS,
    ) -> None:
        self._agent = agent
        self._instance = instance
        self._outlet = outlet
        self._tally = tally
        self._collector = collector
        self._counters = counters
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._most = MAX_ROWS
        self._suspected = 0  # consecutive failures that one bad row may have caused
        self._suspects = 0  # rows that remain in the search for the bad row
        self._forbidden: set[str] = set()  # reasons, each naming an entity, that were logged
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nilometer-ship", daemon=True)
        self.state = CollectorState.UNSET if collector is None else CollectorState.CONNECTING
        self.reason = ""  # reason for a state other than READY
        self.duplicate = False  # the collector sees another process under this agent's name

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Tell the thread that the outbox has new rows."""
        self._wake.set()

    def stop(self, timeout: float) -> None:
        """Send the remaining rows for up to *timeout* seconds, if the collector answers.

        May be called before `start`, and twice.
        """
        until = self._clock.monotonic() + timeout
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        while self._collector is not None and self._clock.monotonic() < until:
            try:
                if not self.ship_once(until - self._clock.monotonic()):
                    return
            except ShipError:
                return

    def ship_once(self, deadline_seconds: float = DEADLINE_SECONDS) -> int:
        """Send one batch of the oldest rows; return how many left the outbox.

        Raises:
            CollectorUnavailable: If the collector cannot be reached; the rows are kept for a retry.
            BatchRejected: If the collector refuses this agent or the batch; the rows are kept.
        """
        rows, corrupt = self._outlet.oldest(self._most, MAX_BYTES)
        if corrupt:
            self._counters.add(Counter.ROWS_CORRUPT, len(corrupt))
            self._outlet.acknowledge([], {}, corrupt)
        if not rows:
            return len(corrupt)
        messages, rejected = to_wire(rows)
        if messages:
            try:
                rejected |= self._send(rows, messages, deadline_seconds)
            except _TooLarge as error:
                return len(corrupt) + self._halve(rows, str(error))
            except _Suspect as error:
                return len(corrupt) + self._tell_apart(rows, error, deadline_seconds)
        self._forget(rows, rejected)
        self._passed(len(rows))
        return len(rows) + len(corrupt)

    def _passed(self, rows: int) -> None:
        """Count rows that left the outbox; use large batches again once the bad row is found."""
        self._suspects = max(self._suspects - rows, 0)
        if not self._suspects:
            self._suspected = 0
            self._most = min(self._most * 2, MAX_ROWS)

    def _forget(self, rows: list[OutboxRow], rejected: Mapping[int, str]) -> None:
        dropped = self._outlet.acknowledge(rows, rejected)
        rows = [row for row in rows if row.id not in dropped]
        rejected = {row.id: rejected[row.id] for row in rows if row.id in rejected}
        self._tally.add(self._counters, rows, rejected)
        for row in rows:
            if row.id in rejected and rejected[row.id] not in self._forbidden:
                log.error(
                    "row moved to quarantine, the collector rejected it: install one version in agent "
                    "and collector, or report the reason",
                    extra={"sequence": row.sequence, "reason": rejected[row.id]},
                )

    def _send(
        self, rows: list[OutboxRow], messages: list[Row], deadline_seconds: float
    ) -> dict[int, str]:
        """Ship the rows; return the reasons of rejected rows by id."""
        if self._collector is None:
            raise CollectorUnavailable("no collector is set")
        request = ShipRequest(
            agent=self._agent,
            instance=self._instance,
            epoch=rows[0].epoch,
            oldest_held=rows[0].sequence,
            rows=messages,
            now_unix_nano=self._clock.now_ns(),
        )
        try:
            reply = self._collector.Ship(request, timeout=deadline_seconds)
        except OSError as error:  # a credentials file cannot be read
            self._counters.add(Counter.SHIP_FAILURES)
            raise _Failed(CollectorState.TLS_ERROR, str(error)) from error
        except grpc.RpcError as error:
            self._counters.add(Counter.SHIP_FAILURES)
            raise self._exception_for(error) from error
        if reply.duplicate and not self.duplicate:
            log.error(
                "another agent ships under the same name, the collector counts both: give each "
                "agent its own name and volume",
                extra={"agent": self._agent},
            )
        self.duplicate = reply.duplicate
        self._counters.add(Counter.PREDICTIONS_REFUSED, refused_predictions(reply))
        self._log_forbidden(bad.reason for bad in reply.rejected if bad.forbidden)
        ids = {row.sequence: row.id for row in rows}
        return {ids[bad.sequence]: bad.reason for bad in reply.rejected if bad.sequence in ids}

    def _log_forbidden(self, reasons: Iterable[str]) -> None:
        """Log once that rows of an entity are dropped; *reasons* name principal and entity."""
        for reason in set(reasons) - self._forbidden:
            log.error(
                "rows moved to quarantine, this agent may not ship their entity: add it to the "
                "agent's principal, or set another entity",
                extra={"reason": reason},
            )
            if len(self._forbidden) < MAX_FORBIDDEN:
                self._forbidden |= {reason}

    def _exception_for(self, error: Any) -> Exception:
        """Return the exception for a failed call."""
        code, text = error.code(), f"{error.code().name}: {error.details()}"
        asked = _asked_seconds(error)
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            if "larger than max" in (error.details() or "") or (not asked and "too large" in text):
                return _TooLarge(text)
            return _Failed(CollectorState.OVERLOADED, text, asked)
        if code in _SUSPECT:
            self._suspected += 1
            if self._suspected >= SUSPECT_FAILURES:
                return _Suspect(_STATES.get(code, CollectorState.UNAVAILABLE), text)
        if code in _STATES:
            return _Refused(_STATES[code], text, asked)
        return _Failed(CollectorState.UNAVAILABLE, text, asked)

    def _halve(self, rows: list[OutboxRow], reason: str) -> int:
        if len(rows) == 1:
            self._forget(rows, {rows[0].id: f"too large: {reason}"[:MAX_REASON_CHARACTERS]})
            return 1
        self._most = len(rows) // 2
        return self.ship_once()

    def _tell_apart(self, rows: list[OutboxRow], error: "_Suspect", deadline: float) -> int:
        """Find the row that makes every call fail, and move it to quarantine.

        A row counts as bad only if a later row is accepted. Otherwise the collector may be at
        fault, and no row goes to quarantine.
        """
        self._suspects = max(self._suspects, len(rows))
        self._most = max(len(rows) // 2, 1)
        if len(rows) > 1:
            return self.ship_once(deadline)
        both, _ = self._outlet.oldest(2, MAX_BYTES)
        others = [row for row in both if row.id != rows[0].id]
        messages, _ = to_wire(others)
        if not messages:
            raise _Refused(error.state, str(error))
        try:
            # `oldest_held` must not exceed the bad row, because the agent still holds that row.
            self._send([rows[0], *others], messages, deadline)
        except (_Suspect, _TooLarge):
            raise _Refused(error.state, str(error)) from error
        self._forget(rows, {rows[0].id: f"unreadable: {error}"[:MAX_REASON_CHARACTERS]})
        self._suspects = 0
        self._passed(1)
        return 1

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait = IDLE_SECONDS
            failed = False
            try:
                self._outlet.make_room()
                sent = self.ship_once() if self._collector is not None else 0
            except ShipError as error:
                failed, wait = True, self._after_failure(error)
            except Exception:  # the thread must survive, because nothing ships without it
                log.exception("shipping failed, rows kept: will retry")
                failed, wait = True, self._backoff.fail()
            else:
                self._backoff.succeed()
                if sent:
                    self._set_state(CollectorState.READY, "")
                    continue
            # New rows end the wait of an idle shipper, but not a backoff, because the collector is
            # down.
            if failed:
                self._stopping.wait(wait)
            else:
                self._wake.wait(wait)
            self._wake.clear()

    def _after_failure(self, error: ShipError) -> float:
        state, asked = CollectorState.UNAVAILABLE, 0.0
        if isinstance(error, _Failed | _Refused):
            state, asked = error.state, error.asked_seconds
        reason = str(error)
        if state is CollectorState.UNAVAILABLE and self._collector is not None:
            reach, why = self._collector.probe()
            if reach is Reach.TLS:
                state, reason = CollectorState.TLS_ERROR, why
        self._set_state(state, reason)
        return self._backoff.fail(asked)

    def _set_state(self, state: CollectorState, reason: str) -> None:
        if state is not self.state and state is not CollectorState.READY:
            log.warning(
                "rows not shipped, kept in the outbox, will retry: `nilometer doctor` says what to do",
                extra={"state": state.value, "reason": reason[:200]},
            )
        self.state, self.reason = state, reason[:MAX_REASON_CHARACTERS]


class _Failed(CollectorUnavailable):
    """The collector cannot store rows now."""

    def __init__(self, state: CollectorState, reason: str, asked_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.state, self.asked_seconds = state, asked_seconds


class _Refused(BatchRejected):
    """The collector refuses this agent or this batch."""

    def __init__(self, state: CollectorState, reason: str, asked_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.state, self.asked_seconds = state, asked_seconds


class _Suspect(_Refused):
    """The same batch failed so often that its rows are sent one by one."""


class _TooLarge(Exception):
    """The batch exceeds a size limit of the collector."""


def _asked_seconds(error: Any) -> float:
    """Return the seconds that the collector asked to wait, in ``retry-after`` of its metadata."""
    for key, value in error.trailing_metadata() or ():
        try:
            if key == "retry-after":
                return max(float(value), 0.0)
            if key == "grpc-retry-pushback-ms":
                return max(float(value) / 1000, 0.0)
        except ValueError:
            return 0.0
    return 0.0
