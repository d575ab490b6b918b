"""Writes the audit log: changes, and tries of calls without the right."""

import logging
import threading
from collections import Counter as Counts
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from typing import NamedTuple

from nilometer.values.clock import Clock
from nilometer.values.once import MINUTE_SECONDS, OnceEvery
from nilometer_collector.access.rights import Access
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store import AuditEntry, Outcome, Store

MOST_A_MINUTE = 120  # entries of each workspace in a minute that were not done; others are counted
MOST_ENTITIES = 8  # entities of one shipment that get an entry
_MINUTE_SECONDS = 60.0

log = logging.getLogger("nilometer.collector")


class Caller(NamedTuple):
    """Who has sent a request.

    Attributes:
        principal: Name of the principal; empty for a caller without a known token.
        author: Person that a trusted proxy names, else the principal.
        workspace: Workspace of the principal; empty for none.
        address: Address that the request came from; empty for gRPC.
    """

    principal: str = ""
    author: str = ""
    workspace: str = ""
    address: str = ""

    @classmethod
    def of(cls, access: Access | None, address: str = "") -> "Caller":
        """Return the caller with these rights; None for one without a known token."""
        if access is None:
            return cls(address=address)
        workspace = "" if access.workspace is None else access.workspace.name
        return cls(access.caller, access.caller, workspace, address)


def entry_of(
    caller: Caller,
    operation: str,
    now_ns: int,
    outcome: Outcome = Outcome.REFUSED,
    status: int = HTTPStatus.FORBIDDEN.value,
    *,
    entity: str = "",
    name: str = "",
    times: int = 1,
) -> AuditEntry:
    """Return the entry of a request, or of rows in it.

    Args:
        caller: Who has sent it.
        operation: Method and path, or name of the gRPC method.
        now_ns: Wall time.
        outcome: What became of it.
        status: Status of the answer; 0 before there is one.
        entity: Entity that it names.
        name: Agent or object that it names.
        times: Number of requests or rows.
    """
    return AuditEntry(
        at_ns=now_ns,
        **caller._asdict(),
        operation=operation,
        entity=entity,
        name=name,
        outcome=outcome,
        status=status,
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
        self._once = OnceEvery(MINUTE_SECONDS)
        self._since = float("-inf")
        self._stored: Counts[tuple[str, bool]] = Counts()

    def begin(self, entry: AuditEntry) -> int | None:
        """Store *entry* of a change before it is made; return its id, which `add` takes.

        So a collector that ends between the change and its entry leaves a trace. None if the store
        fails; the change then fails, too, or its entry is stored afterwards.
        """
        try:
            return self._store.audit.add(entry)
        except StoreUnavailable as error:
            self._tell_lost(entry, str(error))
            return None

    def add(self, entry: AuditEntry, begun: int | None = None) -> None:
        """Store *entry*. A store that fails is logged, because the change has been made.

        Anybody may send requests that are refused, so at most `MOST_A_MINUTE` of those are stored
        for each workspace, and for all callers without a known token.

        Args:
            entry: Entry to store.
            begun: Id of the entry that `begin` has stored; None if there is none.
        """
        if entry.outcome is Outcome.REFUSED:
            self._counters.add(Counter.CALLS_REFUSED, entry.times)
        try:
            if entry.outcome is Outcome.DONE or self._has_room(entry):
                self._store.audit.add(entry, begun)
            elif begun is not None:
                self._store.audit.withdraw(begun)
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
        caller = Caller.of(access)
        for entity, rows in refused.most_common(MOST_ENTITIES):
            self.add(entry_of(caller, "Ship", now_ns, entity=entity, name=agent, times=rows))

    @contextmanager
    def upload(self, access: Access, entity: str, name: str, now_ns: int) -> Iterator[None]:
        """Store that a program uploads a reference inside the block; nothing if the block fails."""
        entry = entry_of(
            Caller.of(access), "PutReference", now_ns, Outcome.STARTED, 0, entity=entity, name=name
        )
        begun = self.begin(entry)
        try:
            yield
        except BaseException:
            if begun is not None:
                with suppress(StoreUnavailable):
                    self._store.audit.withdraw(begun)
            raise
        self.add(replace(entry, outcome=Outcome.DONE, status=HTTPStatus.OK.value), begun)

    def _has_room(self, entry: AuditEntry) -> bool:
        now, share = self._clock.monotonic(), (entry.workspace, not entry.principal)
        with self._lock:
            if now - self._since >= _MINUTE_SECONDS:
                self._since = now
                self._stored.clear()
            self._stored[share] += 1
            return self._stored[share] <= MOST_A_MINUTE
