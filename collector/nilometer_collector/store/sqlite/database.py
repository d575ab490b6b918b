"""One SQLite connection with a lock, in WAL mode with synchronous FULL."""

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from sqlite_utils import Database as SchemaDatabase

from nilometer.settings.private import check_private, open_private, private_directory
from nilometer.values.errors import ConfigError
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store.sqlite.schema import migrations
from nilometer_collector.store.texts import check_texts
from nilometer_collector.store.versions import written_by_newer

BUSY_SECONDS = 5.0  # longest wait for the lock of another process, such as a backup
CACHE_KIB = 64 << 10  # cache for pages, because users ask for the same data again
PART_ROWS = 64  # rows that are read between two checks of their size; each has at most 256 KiB
WAL_PAGES = 1000  # size of the write-ahead log at which a commit makes a checkpoint

Values: TypeAlias = Sequence[object] | Mapping[str, object]  # parameters by position, or by name


class Database:
    """A database with the current schema. Any thread may call; a transaction holds the lock.

    Args:
        path: Path of the file; it is created with mode 0600, and its directory with mode 0700.

    Raises:
        ConfigError: If the file is not a database of this or an older nilometer.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._closing = ExitStack()
        hold(path, self._closing)
        try:
            self._connection = self._connect(path)
            self._prepare(path)
        except BaseException as error:
            self._closing.close()
            if isinstance(error, OSError | sqlite3.Error):
                raise ConfigError(f"database = {str(path)!r}: {error}") from error
            raise

    def _connect(self, path: Path) -> sqlite3.Connection:
        private_directory("database", path.parent)
        check_private("database", *(Path(f"{path}{suffix}") for suffix in ("-wal", "-shm")))
        os.close(open_private(path, os.O_RDWR | os.O_CREAT))
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._closing.callback(connection.close)
        return connection

    def _prepare(self, path: Path) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"wal_autocheckpoint={WAL_PAGES}",
            f"cache_size=-{CACHE_KIB}",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        schema = SchemaDatabase(self._connection)
        known = {migration.name for migration in migrations.pending(schema)}
        applied = {migration.name for migration in migrations.applied(schema)}
        newer = applied - known - known_migrations()
        if newer:
            raise written_by_newer(f"database = {str(path)!r}", newer)
        migrations.apply(schema)

    @contextmanager
    def write(self) -> Iterator[None]:
        """Run the block as a transaction: either all of it is durable, or nothing changes.

        Raises:
            StoreUnavailable: If the database fails; nothing has changed then.
        """
        with self._lock:
            if self._connection.in_transaction:  # a nested transaction; the outer one commits
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

    def execute(self, statement: str, values: Values = ()) -> int:
        """Run one statement inside `write`; return the id of an inserted row."""
        _check(values)
        with self._lock:
            return self._connection.execute(statement, values).lastrowid or 0

    def execute_many(self, statement: str, values: Iterable[Sequence[int | bytes]]) -> None:
        """Run one statement inside `write` for each of *values*, which contain no text."""
        with self._lock:
            self._connection.executemany(statement, values)

    def execute_all(self, statement: str, values: Sequence[Sequence[object]]) -> None:
        """Run one statement inside `write` for each of *values*."""
        for row in values:
            check_texts(row)
        with self._lock:
            self._connection.executemany(statement, values)

    def rows(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query.

        Raises:
            StoreUnavailable: If the database cannot be read.
        """
        _check(values)
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise StoreUnavailable(f"database: {error}") from error

    def rows_in_parts(
        self,
        statement: str,
        values: Sequence[object],
        check: Callable[[Sequence[tuple[Any, ...]]], None],
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a query. *check* gets them part by part, and may end it by an error.

        Raises:
            StoreUnavailable: If the database cannot be read.
        """
        check_texts(values)
        found: list[tuple[Any, ...]] = []
        with self._lock:
            try:
                # An open cursor would keep the log from being checkpointed.
                with closing(self._connection.execute(statement, values)) as cursor:
                    while part := cursor.fetchmany(PART_ROWS):
                        check(part)
                        found += part
            except sqlite3.Error as error:
                raise StoreUnavailable(f"database: {error}") from error
        return found

    def row(self, statement: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query; None if there is no row."""
        found = self.rows(statement, values)
        return found[0] if found else None

    def check_writable(self) -> None:
        """Check that the database can be written: take the write lock and release it.

        Raises:
            StoreUnavailable: If the lock cannot be taken.
        """
        with self.write():
            pass

    def close(self) -> None:
        """Checkpoint the log into the database file, and close it. May be called twice."""
        with self._lock:
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._closing.close()

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _check(values: Values) -> None:
    check_texts(values.values() if isinstance(values, Mapping) else values)


def in_json(values: Collection[str] | Collection[int] | None) -> str | None:
    """Return *values* as a parameter for ``json_each``; None stays NULL."""
    return None if values is None else json.dumps(list(values))


def known_migrations() -> set[str]:
    """Return the names of all migrations that this version knows."""
    empty = SchemaDatabase(memory=True)
    try:
        return {migration.name for migration in migrations.pending(empty)}
    finally:
        empty.close()


def hold(path: Path, closing: ExitStack) -> None:
    """Hold ``<database>.lock`` while this process uses the database."""
    lock = path.with_name(path.name + ".lock")
    try:
        private_directory("database", lock.parent)
        descriptor = open_private(lock, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise ConfigError(
            f"database = {str(path)!r}: cannot create {lock.name}: {error.strerror}: let uid "
            f"{os.geteuid()} write there, or set `database`"
        ) from error
    closing.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        closing.close()
        raise ConfigError(
            f"database = {str(path)!r}: is in use by another collector: stop it, or set another file"
        ) from error
