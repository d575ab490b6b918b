"""The agent's durable state in one SQLite file: partial windows, the outbox, what was seen.

What a method has stored is there when it returns, across a crash of the process and of the power:
WAL with ``synchronous=FULL``, one transaction a method. One process (a lock on the directory),
one connection, one lock around it.

The outbox's sequence is AUTOINCREMENT: it never starts again after the outbox has run empty, or
the collector would take new rows for repeated ones. The epoch names the file: a new file has a
new one.
"""

import json
import secrets
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlite_utils
from sqlite_utils.migrations import Migrations

from nilometer.labels import Labels
from nilometer.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

QUARANTINE_ROWS = 1000  # rejected rows kept for a look; the oldest go first

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE workers (
    worker BLOB PRIMARY KEY, sequence INTEGER NOT NULL, seen_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE partials (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entity TEXT NOT NULL,
    labels TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX partials_by_window ON partials (entity, labels, start_ns, end_ns);
CREATE TABLE closed (
    entity TEXT NOT NULL,
    labels TEXT NOT NULL,
    end_ns INTEGER NOT NULL,
    PRIMARY KEY (entity, labels)
) WITHOUT ROWID;
CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    crc INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL
)"""

migrations = Migrations("nilometer_agent")


@migrations()
def create_tables(database: sqlite_utils.Database) -> None:
    """The first schema."""
    for statement in SCHEMA.split(";"):
        database.execute(statement)


@dataclass(frozen=True, slots=True)
class WindowKey:
    """What partial profiles are gathered under."""

    entity: str
    labels: Labels
    window: Window


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One row that the collector has not acknowledged. *kind* is ``sample`` or ``evaluation``."""

    sequence: int
    kind: str
    payload: bytes


class Buffer:
    """Durable state of one agent.

    Args:
        path: The database file; made, with its directory's mode as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=5000")
        migrations.apply(sqlite_utils.Database(connection))
        self._connection = connection
        with self._transaction():
            connection.execute(
                "INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", [secrets.token_bytes(16)]
            )
        self.epoch: bytes = connection.execute(
            "SELECT value FROM meta WHERE key = 'epoch'"
        ).fetchone()[0]

    def close(self) -> None:
        """Let the file go; nothing may be called afterwards."""
        with self._lock:
            self._connection.close()

    # Workers and partial windows

    def worker_sequences(self) -> dict[bytes, int]:
        """The last committed batch of every worker that was seen."""
        with self._lock:
            return dict(self._connection.execute("SELECT worker, sequence FROM workers"))

    def commit_deltas(
        self,
        deltas: Sequence[tuple[WindowKey, bytes]],
        sequences: Mapping[bytes, int],
        now_ns: int,
    ) -> None:
        """Store partial profiles and the batches they contain: all of it, or none."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO partials (entity, labels, start_ns, end_ns, crc, payload) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [(*_columns(key), zlib.crc32(payload), payload) for key, payload in deltas],
            )
            connection.executemany(
                "INSERT INTO workers VALUES (?, ?, ?) ON CONFLICT (worker) DO UPDATE SET "
                "sequence = max(sequence, excluded.sequence), seen_ns = excluded.seen_ns",
                [(worker, sequence, now_ns) for worker, sequence in sequences.items()],
            )

    def forget_workers(self, before_ns: int) -> None:
        """Forget workers that were last seen before *before_ns*: they will not send again."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM workers WHERE seen_ns < ?", [before_ns])

    def open_windows(self) -> list[WindowKey]:
        """Windows that have partial profiles."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT DISTINCT entity, labels, start_ns, end_ns FROM partials"
            ).fetchall()
        return [
            WindowKey(entity, _labels(labels), Window(start, end))
            for entity, labels, start, end in rows
        ]

    def partials(self, key: WindowKey) -> tuple[list[tuple[int, bytes]], int]:
        """(id, payload) of a window's partial profiles, and how many fail their checksum."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, crc, payload FROM partials WHERE entity = ? AND labels = ? "
                "AND start_ns = ? AND end_ns = ? ORDER BY id",
                _columns(key),
            ).fetchall()
        good = [(identity, payload) for identity, crc, payload in rows if _intact(payload, crc)]
        return good, len(rows) - len(good)

    def closed_until(self, entity: str, labels: Labels) -> int:
        """End of the newest window that was judged, Unix nanoseconds; 0 for none."""
        with self._lock:
            row = self._connection.execute(
                "SELECT end_ns FROM closed WHERE entity = ? AND labels = ?",
                [entity, _label_text(labels)],
            ).fetchone()
        return int(row[0]) if row else 0

    def close_window(
        self, key: WindowKey, last_partial: int, rows: Iterable[tuple[str, bytes]]
    ) -> None:
        """Replace partial profiles up to *last_partial* by outbox *rows* (kind, payload)."""
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM partials WHERE entity = ? AND labels = ? AND start_ns = ? "
                "AND end_ns = ? AND id <= ?",
                [*_columns(key), last_partial],
            )
            connection.executemany(
                "INSERT INTO outbox (kind, crc, payload) VALUES (?, ?, ?)",
                [(kind, zlib.crc32(payload), payload) for kind, payload in rows],
            )
            connection.execute(
                "INSERT INTO closed VALUES (?, ?, ?) ON CONFLICT (entity, labels) "
                "DO UPDATE SET end_ns = max(end_ns, excluded.end_ns)",
                [key.entity, _label_text(key.labels), key.window.end_ns],
            )

    # The outbox

    def oldest(self, most: int, most_bytes: int) -> tuple[list[OutboxRow], list[int]]:
        """Up to *most* rows of together *most_bytes* (one at least), and corrupt sequences."""
        rows: list[OutboxRow] = []
        corrupt: list[int] = []
        size = 0
        with self._lock:
            cursor = self._connection.execute(
                "SELECT sequence, kind, crc, payload FROM outbox ORDER BY sequence LIMIT ?", [most]
            )
            for sequence, kind, crc, payload in cursor:
                if not _intact(payload, crc):
                    corrupt.append(sequence)
                    continue
                size += len(payload)
                if rows and size > most_bytes:
                    break
                rows.append(OutboxRow(sequence, kind, payload))
        return rows, corrupt

    def acknowledge(self, sequences: Iterable[int], rejected: Mapping[int, str]) -> None:
        """Forget *sequences*; those in *rejected* go to quarantine with their reason."""
        with self._transaction() as connection:
            for sequence, reason in rejected.items():
                connection.execute(
                    "INSERT INTO quarantine (sequence, kind, reason, payload) "
                    "SELECT sequence, kind, ?, payload FROM outbox WHERE sequence = ?",
                    [reason, sequence],
                )
            connection.executemany(
                "DELETE FROM outbox WHERE sequence = ?", [(sequence,) for sequence in sequences]
            )
            connection.execute(
                "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?",
                [QUARANTINE_ROWS],
            )

    def queued(self) -> int:
        """Rows the collector has not acknowledged."""
        with self._lock:
            return int(self._connection.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def used_bytes(self) -> int:
        """Size of the pages that hold something."""
        with self._lock:
            pages, free, size = (
                self._connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    def drop_oldest(self, rows: int) -> int:
        """Drop the oldest *rows* of the outbox; returns how many there were."""
        with self._transaction() as connection:
            return connection.execute(
                "DELETE FROM outbox WHERE sequence IN "
                "(SELECT sequence FROM outbox ORDER BY sequence LIMIT ?)",
                [rows],
            ).rowcount

    # The plan of the collector, kept for when it is away

    def plan(self) -> bytes | None:
        """The newest plan, as it came."""
        with self._lock:
            row = self._connection.execute("SELECT value FROM meta WHERE key = 'plan'").fetchone()
        return row[0] if row else None

    def keep_plan(self, payload: bytes) -> None:
        """Remember *payload* as the newest plan."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('plan', ?)", [payload])

    @contextmanager
    def _transaction(self) -> "Iterator[sqlite3.Connection]":
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _intact(payload: object, crc: int) -> bool:
    """Whether a stored payload is what was stored; rot may change even its type."""
    return isinstance(payload, bytes) and zlib.crc32(payload) == crc


def _columns(key: WindowKey) -> tuple[str, str, int, int]:
    return key.entity, _label_text(key.labels), key.window.start_ns, key.window.end_ns


def _label_text(labels: Labels) -> str:
    """Canonical JSON: equal labels, equal text."""
    return json.dumps(labels.as_dict(), separators=(",", ":"))


def _labels(text: str) -> Labels:
    return Labels.of(json.loads(text))
