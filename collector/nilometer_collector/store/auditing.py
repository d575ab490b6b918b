"""The audit log: who changed what, or tried to without the right, when, and from where.

Both databases run the statements of this module, so that they keep the same entries.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.store.levels import Level
from nilometer_collector.store.texts import storable

AUDIT_DAYS = 400  # days for which entries are kept
HOUR_NS = 3600 * NANOSECONDS
MOST_AUDIT_CHARACTERS = 256  # longest text of an entry; a longer one is cut


class Outcome(Enum):
    """What became of a request."""

    DONE = "done"  # the change was made
    FAILED = "failed"  # it was not made, because the request was wrong or the store failed
    REFUSED = "refused"  # the caller has no right to make it, or to read what it asked for
    STARTED = "started"  # it has no answer yet, or the collector ended before the answer


# Most entries of each outcome in one workspace, and outside all of them. The oldest are removed, so
# refusals cannot displace changes, and one workspace cannot displace the entries of another.
MOST_ENTRIES = {
    Outcome.DONE: 100_000,
    Outcome.FAILED: 10_000,
    Outcome.REFUSED: 10_000,
    Outcome.STARTED: 1000,
}
MOST_ANONYMOUS = 1000  # most entries of callers without a known token that were not done


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One request, or equal requests of one hour that were not done.

    Attributes:
        at_ns: Wall time of the newest of them, Unix nanoseconds.
        principal: Caller; empty for one without a known token.
        author: Person that a trusted proxy names, else the caller.
        workspace: Workspace of the caller; empty for none.
        address: Address that the request came from.
        operation: Method and path, or name of the gRPC method.
        entity: Entity that it names; empty for none.
        name: Object that it names; empty for none.
        status: Status of the answer.
        times: Number of requests.
    """

    at_ns: int
    principal: str
    author: str
    workspace: str
    address: str
    operation: str
    entity: str
    name: str
    outcome: Outcome
    status: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An entry as it is stored; a later one has a larger id."""

    id: int
    entry: AuditEntry


class AuditLog(Protocol):
    """The audit log."""

    def add(self, entry: AuditEntry, begun: int | None = None) -> int:
        """Store *entry*, remove what is too old or too much, and return its id.

        An entry that was not done is counted with its equals of the same hour.

        Args:
            entry: Entry to store.
            begun: Id of an entry that *entry* replaces; None for none.
        """
        ...

    def withdraw(self, begun: int) -> None:
        """Remove the entry with the id *begun*."""
        ...

    def entries(self, before: int | None, limit: int) -> list[AuditRecord]:
        """List at most *limit* entries with an id below *before*, newest first."""
        ...


class Statements(Protocol):
    """Runs statements in one transaction of a database. Parameters are named, such as ``:id``."""

    def rows(self, statement: str, values: Mapping[str, object], /) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        ...

    def execute(self, statement: str, values: Mapping[str, object], /) -> int:
        """Run one statement."""
        ...


_ADD = """
INSERT INTO audit (at_ns, principal, author, workspace, address, operation, entity, name, outcome,
                   status, times, slot)
VALUES (:at_ns, :principal, :author, :workspace, :address, :operation, :entity, :name, :outcome,
        :status, :times, :slot)
ON CONFLICT (slot) DO UPDATE SET times = audit.times + excluded.times, at_ns = excluded.at_ns
RETURNING id
"""
_WITHDRAW = "DELETE FROM audit WHERE id = :begun"
_OLD = "DELETE FROM audit WHERE at_ns < :oldest"
_SURPLUS = """
DELETE FROM audit WHERE workspace = :workspace AND outcome = :outcome
  AND (principal = '') = (:principal = '') AND id <=
  (SELECT id FROM audit WHERE workspace = :workspace AND outcome = :outcome
   AND (principal = '') = (:principal = '') ORDER BY id DESC LIMIT 1 OFFSET :most)
"""
_ENTRIES = """
SELECT id, at_ns, principal, author, workspace, address, operation, entity, name, outcome, status,
       times
FROM audit WHERE CAST(:before AS bigint) IS NULL OR id < :before ORDER BY id DESC LIMIT :limit
"""


def add_entry(to: Statements, entry: AuditEntry, begun: int | None) -> int:
    """Do `AuditLog.add` in a transaction."""
    values = _values(entry)
    if begun is not None:
        to.execute(_WITHDRAW, {"begun": begun})
    ((number,),) = to.rows(_ADD, values)
    to.execute(_OLD, {"oldest": entry.at_ns - AUDIT_DAYS * Level.DAY.length_ns})
    is_anonymous = not entry.principal and entry.outcome is not Outcome.DONE
    most = MOST_ANONYMOUS if is_anonymous else MOST_ENTRIES[entry.outcome]
    to.execute(_SURPLUS, {**values, "most": most})
    return int(number)


def withdraw_entry(to: Statements, begun: int) -> None:
    """Do `AuditLog.withdraw` in a transaction."""
    to.execute(_WITHDRAW, {"begun": begun})


def list_entries(to: Statements, before: int | None, limit: int) -> list[AuditRecord]:
    """Do `AuditLog.entries`."""
    rows = to.rows(_ENTRIES, {"before": before, "limit": limit})
    return [_record(row) for row in rows]


def _values(entry: AuditEntry) -> dict[str, Any]:
    """Return the columns of *entry*. Entries with an equal ``slot`` are counted as one."""
    texts = {
        name: storable(getattr(entry, name))[:MOST_AUDIT_CHARACTERS]
        for name in ("principal", "author", "workspace", "address", "operation", "entity", "name")
    }
    slot = None
    if entry.outcome in {Outcome.FAILED, Outcome.REFUSED}:
        said = "\n".join([str(entry.at_ns // HOUR_NS), str(entry.status), *texts.values()])
        # An index cannot hold all texts: PostgreSQL's ends at 2,704 bytes.
        slot = hashlib.sha256(said.encode()).hexdigest()
    return {
        **texts,
        "at_ns": entry.at_ns,
        "outcome": entry.outcome.value,
        "status": entry.status,
        "times": entry.times,
        "slot": slot,
    }


def _record(row: tuple[Any, ...]) -> AuditRecord:
    """Return the record of a row: id, then the fields of `AuditEntry` in order."""
    number, *values, outcome, status, times = row
    names = ("at_ns", "principal", "author", "workspace", "address", "operation", "entity", "name")
    entry = AuditEntry(
        **dict(zip(names, values, strict=True)),
        outcome=Outcome(outcome),
        status=status,
        times=times,
    )
    return AuditRecord(number, entry)
