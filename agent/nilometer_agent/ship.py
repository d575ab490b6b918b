"""From the outbox to the collector: oldest first, for ever, forgetting only what it has.

Between attempts the wait is a full-jitter backoff of 1 to 60 s. What the collector rejects for
good goes to quarantine, so that one bad row does not block every later one.
"""

import logging
import random
import threading
from enum import Enum

import grpc

from nilometer.clock import Clock
from nilometer.errors import BatchRejected, CollectorUnavailable, ShipError
from nilometer.wire.services import CollectorServiceStub, Row, ShipRequest
from nilometer_agent.buffer import Buffer, OutboxRow
from nilometer_agent.counters import Counter, Counters

MAX_ROWS = 500
MAX_BYTES = 1 << 20  # of payloads in one call
DEADLINE_SECONDS = 10.0
BACKOFF_SECONDS = (1.0, 60.0)  # smallest and largest bound of the jitter
IDLE_SECONDS = 1.0
DROP_ROWS = 1000  # at a time, when the outbox is over its cap

log = logging.getLogger("nilometer.agent")

_PERMANENT = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}


class CollectorState(Enum):
    """How the agent stands with its collector."""

    UNSET = "unset"
    CONNECTING = "connecting"
    READY = "ready"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"  # it answers, but not to us: wrong version, or not allowed


class Shipper:
    """Sends outbox rows. One thread.

    Args:
        agent: Stable name of this agent.
        buffer: Where the rows are.
        stub: The collector; None where none is set.
        counters: What is counted.
        clock: Monotonic time.
        max_outbox_bytes: Over it the oldest rows are dropped, counted.
    """

    def __init__(
        self,
        agent: str,
        buffer: Buffer,
        stub: CollectorServiceStub | None,
        counters: Counters,
        clock: Clock,
        *,
        max_outbox_bytes: int,
    ) -> None:
        self._agent = agent
        self._buffer = buffer
        self._stub = stub
        self._counters = counters
        self._clock = clock
        self._max_outbox_bytes = max_outbox_bytes
        self._random = random.Random()  # noqa: S311  jitter, not a secret
        self._failures = 0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nilometer-ship", daemon=True)
        self.state = CollectorState.UNSET if stub is None else CollectorState.CONNECTING

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There are new rows."""
        self._wake.set()

    def stop(self, timeout: float) -> None:
        """Send what there is for up to *timeout* seconds, if the collector answers.

        Safe before `start`, and twice.
        """
        until = self._clock.monotonic() + timeout
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        while self._stub is not None and self._clock.monotonic() < until:
            try:
                if not self.ship_once():
                    return
            except ShipError:
                return

    def ship_once(self) -> int:
        """Send one batch of the oldest rows; returns how many left the outbox.

        Raises:
            CollectorUnavailable: The rows are kept; try again.
            BatchRejected: The collector answers, but not to us; the rows are kept.
        """
        rows, corrupt = self._buffer.oldest(MAX_ROWS, MAX_BYTES)
        if corrupt:
            self._counters.add(Counter.ROWS_CORRUPT, len(corrupt))
            self._buffer.acknowledge(corrupt, dict.fromkeys(corrupt, "checksum"))
        if not rows:
            return len(corrupt)
        rejected = self._send(rows)
        self._buffer.acknowledge([row.sequence for row in rows], rejected)
        self._counters.add(Counter.ROWS_REJECTED, len(rejected))
        self._counters.add(Counter.ROWS_ACKNOWLEDGED, len(rows) - len(rejected))
        return len(rows) + len(corrupt)

    def _send(self, rows: list[OutboxRow]) -> dict[int, str]:
        if self._stub is None:
            raise CollectorUnavailable("no collector is set")
        request = ShipRequest(
            agent=self._agent,
            epoch=self._buffer.epoch,
            oldest_held=rows[0].sequence,
            rows=[_to_wire(row) for row in rows],
        )
        try:
            reply = self._stub.Ship(request, timeout=DEADLINE_SECONDS)
        except grpc.RpcError as error:
            self._counters.add(Counter.SHIP_FAILURES)
            code = error.code()
            if code in _PERMANENT:
                raise BatchRejected(f"{code.name}: {error.details()}") from error
            raise CollectorUnavailable(f"{code.name}: {error.details()}") from error
        return {row.sequence: row.reason for row in reply.rejected}

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._bound()
            wait = IDLE_SECONDS
            if self._stub is not None:
                try:
                    sent = self.ship_once()
                except ShipError as error:
                    wait = self._after_failure(error)
                except Exception:
                    log.exception("a ship step failed")
                    wait = BACKOFF_SECONDS[0]
                else:
                    self._failures = 0
                    if sent:
                        self.state = CollectorState.READY
                        continue
            self._wake.wait(wait)
            if self._failures == 0:
                self._wake.clear()
            elif self._wake.is_set() and not self._stopping.is_set():
                # New rows do not shorten a backoff: the collector is away.
                self._wake.clear()
                self._stopping.wait(wait)

    def _after_failure(self, error: ShipError) -> float:
        refused = isinstance(error, BatchRejected)
        state = CollectorState.REFUSED if refused else CollectorState.UNAVAILABLE
        if state is not self.state:
            log.warning("rows kept", extra={"state": state.value, "reason": str(error)[:200]})
        self.state = state
        least, most = BACKOFF_SECONDS
        bound = min(least * 2**self._failures, most)
        self._failures = min(self._failures + 1, 16)
        return self._random.uniform(0.0, bound)

    def _bound(self) -> None:
        while self._buffer.used_bytes() > self._max_outbox_bytes:
            dropped = self._buffer.drop_oldest(DROP_ROWS)
            if not dropped:
                return
            self._counters.add(Counter.ROWS_DROPPED_FOR_SPACE, dropped)
            log.error("outbox is over its cap", extra={"rows_dropped": dropped})


def _to_wire(row: OutboxRow) -> Row:
    message = Row(sequence=row.sequence)
    if row.kind == "sample":
        message.sample.ParseFromString(row.payload)
    else:
        message.evaluation.ParseFromString(row.payload)
    return message
