"""One SQLite database, on disk or in memory: its transactions, its log and its checksummed rows.

A transaction is durable once it returns: it survives a crash and a loss of power (WAL with
``synchronous=FULL``). There is one connection, which holds the lock for its whole life
(``locking_mode=EXCLUSIVE``). This needs no shared-memory file, which a full disk would refuse.

The write-ahead log grows to its full size once and is then reused from its start. So deletes still
work after another process has filled the disk. Deleted rows are overwritten (``secure_delete``), so
that no page holds a row that was already merged or shipped.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nilometer.values.errors import ConfigError
from nilometer_agent.outbox.checksum import checksum, intact
from nilometer_agent.outbox.faults import Damaged, Fault
from nilometer_agent.outbox.place import Place
from nilometer_agent.outbox.rows import Columns
from nilometer_agent.outbox.schema import (
    DELETE,
    LAST_ID,
    PUT,
    READ,
    TABLES,
    migrate,
    newer_migrations,
)

PAGE_BYTES = 4096
WAL_PAGES = (16, 256)  # bounds of the log's length, which is a sixteenth of the cap
FILL_RATIO = 0.9  # share of the cap above which the oldest rows are dropped; transactions need room


class Database:
    """Checksummed rows in one file, or in memory. Not thread-safe.

    All methods raise `sqlite3.Error` as SQLite does.

    Raises:
        ConfigError: If a newer nilometer wrote the file.

    Args:
        path: Path of the file; None for memory.
        most_bytes: Largest size of the database in bytes.

    Attributes:
        connection: Connection, for statements that no method covers.
        damaged: Number of rows found that fail their checksum, since the opening.
        commits: Number of transactions that were started and stored, since the file was created.
        commits_stored: Number of transactions known to be stored. A failed transaction may be stored
            after all; only the next opening can tell.
    """

    def __init__(self, path: Path | None, most_bytes: int) -> None:
        self.path = path
        self.damaged = 0
        self.commits = self.commits_stored = 0
        self.most_pages = max(most_bytes // PAGE_BYTES, 4 * WAL_PAGES[0])
        self.place = Place(path)
        self._wal_pages = wal_pages(most_bytes)
        self._ids = dict.fromkeys(TABLES, 1)
        self.connection = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None, timeout=5.0
        )
        # Damaged text must not raise here: its row fails the checksum instead.
        self.connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        for pragma in (
            f"page_size={PAGE_BYTES}",
            "locking_mode=EXCLUSIVE",
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=ON",
            "cell_size_check=ON",
            "trusted_schema=OFF",
            "temp_store=MEMORY",
            f"max_page_count={self.most_pages}",
            f"wal_autocheckpoint={self._wal_pages}",
            f"journal_size_limit={(self._wal_pages + 8) * (PAGE_BYTES + 24)}",
        ):
            self.connection.execute(f"PRAGMA {pragma}")
        if self.path is not None:
            (found,) = self.connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise Damaged(found)
        if newer := newer_migrations(self.connection):
            raise ConfigError(f"{self.path}: was written by a newer nilometer ({', '.join(newer)})")
        migrate(self.connection)

    def close(self) -> None:
        """Close the file. No other method may be called afterwards. May be called twice."""
        self.connection.close()
        self.place.close()

    # Transactions

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction: everything is stored at its end, or nothing."""
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            self.commits += 1
            self.put("meta", "commits", self.commits, identity=1)
            connection.execute("COMMIT")
            self.commits_stored = self.commits
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def fold_log(self) -> bool:
        """Checkpoint the log into the file and restart the log; return whether that worked.

        A small transaction after the checkpoint restarts the log.
        """
        if self.path is not None:
            busy, _, _ = self.connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            if busy:
                return False
        with self.transaction():
            pass
        return True

    def grow_log(self) -> None:
        """Grow the log to its full size once, so that it needs no more disk space later."""
        if self.path is None:
            return
        log = self.path.with_name(self.path.name + "-wal")
        if log.exists() and log.stat().st_size >= self._wal_pages * PAGE_BYTES:
            return
        try:
            with self.transaction() as connection:
                connection.execute(
                    "INSERT INTO quarantine (id, payload) VALUES (-1, zeroblob(?))",
                    [(self._wal_pages - 8) * PAGE_BYTES],
                )
                connection.execute("DELETE FROM quarantine WHERE id = -1")
        except sqlite3.OperationalError as error:
            if Fault.of(error) is not Fault.FULL:
                raise

    # Rows

    def load(self) -> None:
        """Read the newest ids and the count of transactions, which are also kept in memory."""
        self._ids = dict.fromkeys(TABLES, 1)
        for table in TABLES:
            (last,) = self.connection.execute(LAST_ID[table]).fetchone()
            self._ids[table] = (last or 0) + 1
        for table, last in self.connection.execute("SELECT name, seq FROM sqlite_sequence"):
            if table in self._ids and isinstance(last, int):
                self._ids[table] = max(self._ids[table], last + 1)
        for _, key, value in self.rows("meta"):
            if key == "commits":
                self.commits = max(self.commits, value)
        self.commits_stored = self.commits

    def read(
        self, table: str, where: str, values: Sequence[object] = ()
    ) -> Iterator[tuple[int, Columns | None]]:
        """Yield (id, columns) of the rows that *where* selects; columns are None if damaged."""
        for identity, crc, *columns in self.connection.execute(READ[table] + where, values):
            yield identity, columns if intact(table, identity, crc, columns) else None

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield (id, columns) of all undamaged rows, and delete the damaged ones."""
        bad: list[int] = []
        for identity, columns in self.read(table, "ORDER BY id"):
            if columns is not None:
                yield identity, *columns
            else:
                bad.append(identity)
        if bad:
            self.damaged += len(bad)
            with self.transaction():
                self.delete(table, bad)

    def put(self, table: str, *columns: object, identity: int | None = None) -> int:
        """Store one row, replacing the row with the id *identity* if given; return its id."""
        identity = self.take_id(table) if identity is None else identity
        crc = checksum(table, identity, columns)
        self.connection.execute(PUT[table], (identity, crc, *columns))
        return identity

    def put_all(self, table: str, rows: Sequence[tuple[object, ...]]) -> range:
        """Store new *rows* of columns; return their ids."""
        ids = range(self._ids[table], self._ids[table] + len(rows))
        self._ids[table] = ids.stop
        self.connection.executemany(
            PUT[table],
            [
                (identity, checksum(table, identity, columns), *columns)
                for identity, columns in zip(ids, rows, strict=True)
            ],
        )
        return ids

    def delete(self, table: str, ids: Iterable[int]) -> None:
        """Delete rows by id."""
        self.connection.executemany(DELETE[table], [(identity,) for identity in ids])

    def next_id(self, table: str) -> int:
        """Return the id that the next new row will get."""
        return self._ids[table]

    def take_id(self, table: str) -> int:
        """Reserve and return the id of a new row."""
        identity = self._ids[table]
        self._ids[table] += 1
        return identity

    # Size

    def hold_size(self, hold: bool) -> None:  # noqa: FBT001  a state, not an option
        """Stop the file from growing, or let it grow to its cap again."""
        pages = self.most_pages
        if hold:
            (pages,) = self.connection.execute("PRAGMA page_count").fetchone()
        self.connection.execute(f"PRAGMA max_page_count={pages}")

    @property
    def most_bytes(self) -> int:
        """The cap of the database."""
        return self.most_pages * PAGE_BYTES

    def used_bytes(self) -> int:
        """Size of the used pages in bytes."""
        pages, free = (
            self.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count")
        )
        return int(pages - free) * PAGE_BYTES

    @property
    def is_nearly_full(self) -> bool:
        """Whether the oldest rows should be dropped."""
        return self.used_bytes() > self.most_pages * PAGE_BYTES * FILL_RATIO


def wal_pages(most_bytes: int) -> int:
    """Return the length of the log of a database of at most *most_bytes*, in pages."""
    least, most = WAL_PAGES
    return min(max(most_bytes // PAGE_BYTES // 16, least), most)
