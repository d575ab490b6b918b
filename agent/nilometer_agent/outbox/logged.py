"""Logged predictions that wait for the collector: an outbox of its own in the agent's file.

It has its own limit. Beyond it, and whenever the file is full, the oldest predictions are dropped, so
that they never take the place of summaries.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nilometer_agent.outbox.database import Database
from nilometer_agent.outbox.queued import Place
from nilometer_agent.outbox.rows import PAYLOAD_VERSION, Columns, NewRow, OutboxRow

TABLE = "predictions"
KIND = "predictions"  # kind of the rows, the name of their field in a message
DROP_RATIO = 0.1  # share of the batches that is dropped at a time if the file is full


@dataclass(frozen=True, slots=True)
class Change:
    """Change of the number of waiting batches, of predictions in them, and of their bytes.

    Attributes:
        dropped: Number of predictions that were dropped for space.
    """

    batches: int = 0
    predictions: int = 0
    bytes: int = 0
    dropped: int = 0

    def __add__(self, other: "Change") -> "Change":
        return Change(
            self.batches + other.batches,
            self.predictions + other.predictions,
            self.bytes + other.bytes,
            self.dropped + other.dropped,
        )


class LoggedQueue:
    """Rows of the table ``predictions``, each a batch of predictions. Not thread-safe.

    Attributes:
        epoch: 16 random bytes, new whenever a ledger is opened; another one than that of summaries.
        batches: Number of waiting batches.
        predictions: Number of waiting predictions.
        bytes: Size of their payloads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.epoch = secrets.token_bytes(16)
        self.batches = self.predictions = self.bytes = 0
        self._sequence = 0

    def load(self) -> None:
        """Count the waiting batches."""
        ((self.batches, predictions, size),) = self._database.connection.execute(
            "SELECT count(*), total(rows), total(length(payload)) FROM predictions"
        )
        self.predictions, self.bytes = int(predictions), int(size)

    def put(self, rows: Sequence[NewRow], most_bytes: int, now_ns: int) -> Change:
        """Store *rows* in the caller's transaction; the caller then calls `count`.

        Args:
            rows: Batches of predictions.
            most_bytes: Limit of this outbox; the oldest batches are deleted beyond it.
            now_ns: Time of the commit, Unix nanoseconds.
        """
        columns = []
        for row in rows:
            self._sequence += 1
            columns.append(
                (self.epoch, self._sequence, PAYLOAD_VERSION, now_ns, row.observations, row.payload)
            )
        self._database.put_all(TABLE, columns)
        added = Change(
            len(rows), sum(row.observations for row in rows), sum(len(row.payload) for row in rows)
        )
        excess = self.bytes + added.bytes - most_bytes
        return added + self._delete_oldest(excess) if excess > 0 else added

    def count(self, change: Change) -> None:
        """Add a *change* that is stored to the counts of waiting batches."""
        self.batches += change.batches
        self.predictions += change.predictions
        self.bytes += change.bytes

    def _delete_oldest(self, size: int) -> Change:
        """Delete the oldest batches, until *size* bytes are free."""
        gone, deleted = Change(), []
        for identity, predictions, length in self._database.connection.execute(
            "SELECT id, rows, length(payload) FROM predictions ORDER BY id"
        ):
            deleted.append(identity)
            gone += Change(-1, -predictions, -length, dropped=predictions)
            if -gone.bytes >= size:
                break
        self._database.delete(TABLE, deleted)
        return gone

    def oldest(self, most: int, most_bytes: int) -> tuple[list[OutboxRow], list[int]]:
        """Return the oldest rows of one epoch, and the ids of rows that fail their checksum.

        The result has at most *most* rows and *most_bytes* in total, but at least one waiting row.
        """
        rows: list[OutboxRow] = []
        corrupt: list[int] = []
        size = 0
        for identity, columns in self._database.read(TABLE, "ORDER BY id LIMIT ?", [most]):
            if columns is None:
                corrupt.append(identity)
                continue
            epoch, sequence, version, created_ns, predictions, payload = columns
            row = OutboxRow(
                identity, epoch, sequence, version, KIND, created_ns, predictions, payload
            )
            size += len(payload)
            if rows and (size > most_bytes or epoch != rows[0].epoch):
                break
            rows.append(row)
        return rows, corrupt

    def forget(self, places: Iterable[tuple[int, Place]], corrupt: Sequence[int]) -> set[int]:
        """Delete rows by id, if they still are at their place, and corrupt ids.

        Args:
            places: Id, epoch and sequence of each row.
            corrupt: Ids of rows that fail their checksum.

        Returns:
            Ids of the rows that were deleted; the others were dropped before.
        """
        deleted, change = set(), Change()
        with self._database.transaction() as connection:
            for identity, place in places:
                for predictions, length in connection.execute(
                    "DELETE FROM predictions WHERE id = ? AND epoch = ? AND sequence = ? "
                    "RETURNING rows, length(payload)",
                    [identity, *place],
                ).fetchall():
                    deleted.add(identity)
                    change += Change(-1, -predictions, -length)
            self._database.delete(TABLE, corrupt)
        self.count(change)
        if corrupt:
            self.load()
        return deleted

    def drop_oldest(self) -> int:
        """Drop some of the oldest batches for space; return the number of predictions in them."""
        with self._database.transaction():
            gone = self._delete_oldest(max(int(self.bytes * DROP_RATIO), 1))
        self.count(gone)
        return gone.dropped

    def places(self) -> set[Place]:
        """Return epoch and sequence of every row."""
        found = self._database.connection.execute("SELECT epoch, sequence FROM predictions")
        return {(epoch, sequence) for epoch, sequence in found}

    def take_in(self, columns: Columns, known: set[Place]) -> bool:
        """Add a row of another ledger unless it is in *known*; return whether it was new.

        This runs in the caller's transaction; the caller then calls `load`.
        """
        place = (columns[0], columns[1])
        if place in known:
            return False
        known.add(place)
        self._database.put(TABLE, *columns)
        return True
