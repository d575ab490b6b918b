"""Writes the audit log: changes, and tries of calls without the right."""

import logging
import threading
from collections import Counter as Counts
from http import HTTPStatus

from nilometer.values.clock import Clock
from nilometer.values.once import OnceAMinute
from nilometer_collector.access.rights import Access
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store import AuditEntry, Outcome, Store

MOST_A_MINUTE = 120  # most entries a minute of requests that were not done; others are only counted
MOST_ENTITIES = 8  # entities of one shipment that get an entry
_MINUTE_SECONDS = 60.0

log = logging.getLogger("nilometer.collector")


def call_entry(
    access: Access | None,
    operation: str,
    now_ns: int,
    *,
    entity: str = "",
    name: str = "",
    address: str = "",
    outcome: Outcome = Outcome.REFUSED,
    times: int = 1,
) -> AuditEntry:
    """Return the entry of a gRPC call, or of rows in it.

    Args:
        access: Rights of the call; None for a caller without a known token.
        operation: Name of the method.
        now_ns: Wall time.
        entity: Entity that it names.
        name: Agent or object that it names.
        address: Address of the caller.
        outcome: What became of it.
        times: Number of rows.
    """
    caller = "" if access is None else access.caller
    workspace = "" if access is None or access.workspace is None else access.workspace.name
    status = HTTPStatus.OK if outcome is Outcome.DONE else HTTPStatus.FORBIDDEN
    return AuditEntry(
        at_ns=now_ns,
        principal=caller,
        author=caller,
        workspace=workspace,
        address=address,
        operation=operation,
        entity=entity,
        name=name,
        outcome=outcome,
        status=status.value,
        times=times,
    )


class Auditor:
    """Adds entries to the audit log of the store. Any thread may call.

    Args:
        store: Store that keeps them.
        clock: Clock for the budget of each minute.
        counters: Counters, of which one counts every refused request.
    """

    def __init__(self, store: Store, clock: Clock, counters: Counters) -> None:
        self._store = store
        self._clock = clock
        self._counters = counters
        self._lock = threading.Lock()
        self._once = OnceAMinute()
        self._since = float("-inf")
        self._stored = 0

    def add(self, entry: AuditEntry) -> None:
        """Store *entry*. A store that fails is logged, because the change has been made.

        Anybody may send requests that are refused, so at most `MOST_A_MINUTE` of those are stored.
        """
        if entry.outcome is Outcome.REFUSED:
            self._counters.add(Counter.CALLS_REFUSED, entry.times)
        if entry.outcome is not Outcome.DONE and not self._has_room():
            return
        try:
            self._store.audit.add(entry)
        except StoreUnavailable as error:
            self._tell_lost(entry, str(error))

    def _tell_lost(self, entry: AuditEntry, reason: str) -> None:
        if self._once.due(self._clock.monotonic()):
            log.error(
                "entry of the audit log lost, store unavailable: check the database's disk",
                extra={"operation": entry.operation, "reason": reason},
            )

    def add_rows(self, access: Access, agent: str, refused: Counts[str], now_ns: int) -> None:
        """Store rows that *agent* may not ship, by entity: those with most rows."""
        for entity, rows in refused.most_common(MOST_ENTITIES):
            self.add(call_entry(access, "Ship", now_ns, entity=entity, name=agent, times=rows))

    def add_upload(self, access: Access, entity: str, name: str, now_ns: int) -> None:
        """Store that a program has uploaded a reference."""
        done = Outcome.DONE
        self.add(call_entry(access, "PutReference", now_ns, entity=entity, name=name, outcome=done))

    def _has_room(self) -> bool:
        now = self._clock.monotonic()
        with self._lock:
            if now - self._since >= _MINUTE_SECONDS:
                self._since, self._stored = now, 0
            self._stored += 1
            return self._stored <= MOST_A_MINUTE
