"""One SQLite connection behind one lock: WAL, synchronous FULL, one writer at a time."""

import logging
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlite_utils import Database as SchemaDatabase

from nilometer.settings.private import check_private, open_private, private_directory
from nilometer.values.errors import ConfigError
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store.schema import migrations

BUSY_SECONDS = 5.0  # how long another process's lock (a backup's, say) is waited for
WAL_PAGES = 1000  # after which a commit checkpoints

log = logging.getLogger("nilometer.collector")


class Database:
    """A migrated database. Any thread may call; a transaction holds the lock to its end.

    Args:
        path: Of the file; made with mode 0600, its folder with 0700.

    Raises:
        ConfigError: If the file is not a database of this or an older nilometer.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            private_directory("database", path.parent)
            check_private("database", *(Path(f"{path}{suffix}") for suffix in ("-wal", "-shm")))
            os.close(open_private(path, os.O_RDWR | os.O_CREAT))
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"database = {str(path)!r}: {error}") from error
        try:
            self._prepare(path)
        except sqlite3.Error as error:
            self._connection.close()
            raise ConfigError(f"database = {str(path)!r}: {error}") from error
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, path: Path) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"wal_autocheckpoint={WAL_PAGES}",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        schema = SchemaDatabase(self._connection)
        known = {migration.name for migration in migrations.pending(schema)}
        applied = {migration.name for migration in migrations.applied(schema)}
        newer = applied - known - _names()
        if newer:
            raise ConfigError(
                f"database = {str(path)!r}: was written by a newer nilometer "
                f"({', '.join(sorted(newer))})"
            )
        migrations.apply(schema)

    @contextmanager
    def write(self) -> Iterator[None]:
        """A transaction: all of it is durable when the block ends, or none of it happened.

        Raises:
            StoreUnavailable: If the database refused; nothing of the block was kept.
        """
        with self._lock:
            if self._connection.in_transaction:  # part of a larger one
                yield
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                raise StoreUnavailable(f"database: {error}") from error
            except BaseException:
                self._roll_back()
                raise

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run one statement inside `write`; returns the id of an inserted row."""
        with self._lock:
            return self._connection.execute(statement, values).lastrowid or 0

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query.

        Raises:
            StoreUnavailable: If the database cannot be read.
        """
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise StoreUnavailable(f"database: {error}") from error

    def row(self, statement: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        found = self.rows(statement, values)
        return found[0] if found else None

    def check_writable(self) -> None:
        """Take the write lock and give it back.

        Raises:
            StoreUnavailable: If that is refused.
        """
        with self.write():
            pass

    def close(self) -> None:
        """Fold the log into the file and close. Safe twice."""
        with self._lock:
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _names() -> set[str]:
    """Every migration that this version knows."""
    empty = SchemaDatabase(memory=True)
    try:
        return {migration.name for migration in migrations.pending(empty)}
    finally:
        empty.close()


def checksum(payload: bytes) -> int:
    """CRC-32 of *payload*."""
    return zlib.crc32(payload)


def intact(table: str, row: int, payload: bytes, crc: int) -> bool:
    """Whether *payload* is what was stored; if not, says so in the log."""
    fine = checksum(payload) == crc
    if not fine:
        log.error("row fails its checksum", extra={"table": table, "row": row})
    return fine
