"""Rows that wait for the collector, oldest first, and rows in quarantine, which it rejected.

The collector identifies a row by its epoch and its sequence.
"""

import secrets
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from nilometer_agent.outbox.database import Database
from nilometer_agent.outbox.rows import PAYLOAD_VERSION, Columns, Lost, NewRow, OutboxRow

QUARANTINE_ROWS = 1000  # rejected rows kept for inspection; the oldest are deleted first
QUARANTINE_BYTES = 16 << 20

Place = tuple[bytes, int]  # epoch and sequence of a row


class Queue:
    """Rows of the tables ``outbox`` and ``quarantine``.

    Attributes:
        epoch: 16 random bytes, new whenever a ledger is opened. So a file that was copied or
            restored never uses a pair of epoch and sequence again.
        released: Id of the newest row that may be shipped; see `Ledger.settle`.
        rows: Number of rows that wait.
        observations: Number of observations in these rows.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.epoch = secrets.token_bytes(16)
        self.released = 0
        self.rows = self.observations = 0
        self._sequence = 0

    def load(self) -> None:
        """Count the waiting rows."""
        ((count, observations),) = self._database.connection.execute(
            "SELECT count(*), total(observations) FROM outbox"
        )
        self.rows, self.observations = count, int(observations)

    @property
    def newest(self) -> int:
        """Id of the newest stored row."""
        return self._database.next_id("outbox") - 1

    def number(self, rows: Sequence[NewRow]) -> range:
        """Return sequences for new *rows*. A sequence is never used twice, even after a failure."""
        first = self._sequence + 1
        self._sequence += len(rows)
        return range(first, first + len(rows))

    def put(self, rows: Sequence[NewRow], sequences: range, now_ns: int) -> None:
        """Store new *rows* in the caller's transaction; the caller then calls `count`."""
        epoch, version = self.epoch, PAYLOAD_VERSION
        self._database.put_all(
            "outbox",
            [
                (epoch, sequence, version, row.kind, now_ns, row.observations, row.payload)
                for sequence, row in zip(sequences, rows, strict=True)
            ],
        )

    def count(self, rows: Sequence[NewRow]) -> None:
        """Add stored *rows* to the counts of waiting rows."""
        self.rows += len(rows)
        self.observations += sum(row.observations for row in rows)

    def oldest(self, most: int, most_bytes: int) -> tuple[list[OutboxRow], list[int]]:
        """Return the oldest rows of one epoch, and the ids of rows that fail their checksum.

        The result has at most *most* rows and *most_bytes* in total, but at least one waiting row.
        """
        rows: list[OutboxRow] = []
        corrupt: list[int] = []
        size = 0
        for identity, columns in self._database.read(
            "outbox", "WHERE id <= ? ORDER BY id LIMIT ?", [self.released, most]
        ):
            if columns is None:
                corrupt.append(identity)
                continue
            row = OutboxRow(identity, *columns)
            size += len(row.payload)
            if rows and (size > most_bytes or row.epoch != rows[0].epoch):
                break
            rows.append(row)
        return rows, corrupt

    def acknowledge(self, ids: Iterable[int], rejected: Mapping[int, str]) -> Lost:
        """Delete rows by id; those in *rejected* go to quarantine. Return counts of the rows."""
        gone = Lost()
        with self._database.transaction() as connection:
            for identity, reason in rejected.items():
                connection.execute(
                    "INSERT INTO quarantine (epoch, sequence, kind, reason, payload) "
                    "SELECT epoch, sequence, kind, ?, payload FROM outbox WHERE id = ?",
                    [reason, identity],
                )
            if rejected:
                self._bound_quarantine(connection)
            for identity in ids:
                found = connection.execute(
                    "SELECT observations FROM outbox WHERE id = ?", [identity]
                ).fetchone()
                if found is not None:
                    gone += Lost(1, found[0] if isinstance(found[0], int) else 0)
                    connection.execute("DELETE FROM outbox WHERE id = ?", [identity])
        self.rows -= gone.rows
        self.observations -= gone.observations
        return gone

    def _bound_quarantine(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?",
            [QUARANTINE_ROWS],
        )
        connection.execute(
            "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM (SELECT id, sum(length("
            "payload)) OVER (ORDER BY id DESC) AS held FROM quarantine) WHERE held > ?)",
            [min(QUARANTINE_BYTES, self._database.most_bytes // 8)],
        )

    def quarantined(self) -> int:
        """Number of rows in quarantine."""
        found = self._database.connection.execute("SELECT count(*) FROM quarantine")
        return int(found.fetchone()[0])

    def drop_oldest(self, rows: int) -> tuple[Lost, set[Place]]:
        """Drop the oldest *rows*; return counts, epochs and sequences of them."""
        found = self._database.connection.execute(
            "SELECT id, epoch, sequence FROM outbox ORDER BY id LIMIT ?", [rows]
        ).fetchall()
        gone = self.acknowledge([identity for identity, *_ in found], {})
        return gone, {(epoch, sequence) for _, epoch, sequence in found}

    def oldest_created_ns(self) -> int:
        """Time at which the oldest row was stored, Unix nanoseconds; 0 without rows."""
        row = self._database.connection.execute(
            "SELECT created_ns FROM outbox ORDER BY id LIMIT 1"
        ).fetchone()
        return row[0] if row and isinstance(row[0], int) else 0

    def places(self) -> set[Place]:
        """Return epoch and sequence of every row."""
        found = self._database.connection.execute("SELECT epoch, sequence FROM outbox")
        return {(epoch, sequence) for epoch, sequence in found}

    def take_in(self, columns: Columns, known: set[Place]) -> bool:
        """Add a row of another ledger unless it is in *known*; return whether it was new.

        The row keeps its epoch and sequence, so that the collector counts it once. This runs in the
        caller's transaction; the caller then calls `load`.
        """
        place = (columns[0], columns[1])
        if place in known:
            return False
        known.add(place)
        self._database.put("outbox", *columns)
        return True
