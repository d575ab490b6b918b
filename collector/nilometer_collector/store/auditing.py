"""The audit log: who changed what, or tried to without the right, when, and from where."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.store.texts import storable

AUDIT_DAYS = 400  # days for which entries are kept
HOUR_NS = 3600 * NANOSECONDS
MOST_AUDIT_CHARACTERS = 256  # longest text of an entry; a longer one is cut


class Outcome(Enum):
    """What became of a request."""

    DONE = "done"  # the change was made
    FAILED = "failed"  # it was not made, because the request was wrong or the store failed
    REFUSED = "refused"  # the caller has no right to make it, or to read what it asked for


# Most entries of each outcome; the oldest are removed, so that refusals cannot displace changes.
MOST_ENTRIES = {Outcome.DONE: 100_000, Outcome.FAILED: 10_000, Outcome.REFUSED: 10_000}


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

    def add(self, entry: AuditEntry) -> None:
        """Store *entry*, and remove what is older than `AUDIT_DAYS` or above `MOST_ENTRIES`.

        An entry that was not done is counted with its equals of the same hour.
        """
        ...

    def entries(self, before: int | None, limit: int) -> list[AuditRecord]:
        """List at most *limit* entries with an id below *before*, newest first."""
        ...


def audit_values(entry: AuditEntry) -> dict[str, Any]:
    """Return the columns of *entry* in the order of SQLite's statement.

    Entries with an equal ``slot`` are counted as one.
    """
    texts = {
        name: storable(getattr(entry, name))[:MOST_AUDIT_CHARACTERS]
        for name in ("principal", "author", "workspace", "address", "operation", "entity", "name")
    }
    slot = None
    if entry.outcome is not Outcome.DONE:
        slot = "\n".join([str(entry.at_ns // HOUR_NS), str(entry.status), *texts.values()])
    return {
        **texts,
        "at_ns": entry.at_ns,
        "outcome": entry.outcome.value,
        "status": entry.status,
        "times": entry.times,
        "slot": slot,
    }


def audit_record(row: tuple[Any, ...]) -> AuditRecord:
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
