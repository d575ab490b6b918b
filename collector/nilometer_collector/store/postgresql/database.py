"""Connections to PostgreSQL, which are opened on demand and retried a limited number of times.

No thread maintains connections. A broken connection is closed together with all idle connections,
and the next call opens a new one. So the store works again as soon as the server does.
"""

import threading
from collections.abc import Callable
from typing import Any, LiteralString, TypeAlias, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from nilometer.values.errors import ConfigError
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store.postgresql.address import Address
from nilometer_collector.store.postgresql.arrays import register
from nilometer_collector.store.postgresql.migrations import migrate
from nilometer_collector.store.postgresql.schema import MIGRATIONS
from nilometer_collector.store.postgresql.session import Session

MOST_CONNECTIONS = 8  # limit for one collector
BUSY_SECONDS = 5.0  # longest wait for a free connection
ATTEMPTS = 5  # attempts of one call, if a retry can help

# Settings of every connection. An acknowledged row must be on the server's disk. A collector that
# stops inside a transaction must not hold its locks forever. A statement, such as a very large
# read, must not occupy the server for longer than a caller waits.
_PREPARE = """
SELECT set_config('lock_timeout', '5s', false),
       set_config('idle_in_transaction_session_timeout', '30s', false),
       CASE current_setting('statement_timeout') WHEN '0'
       THEN set_config('statement_timeout', '30s', false) END,
       set_config('default_transaction_isolation', 'read committed', false),
       CASE current_setting('synchronous_commit') WHEN 'off'
       THEN set_config('synchronous_commit', 'on', false) END
"""
_CHANGE: LiteralString = "BEGIN"
# A snapshot does not contain the rows of a table that is dropped later. So the lock comes first, and
# prevents that a partition of samples is dropped until the transaction ends.
_SNAPSHOT: LiteralString = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
LOCK TABLE samples IN ACCESS SHARE MODE
"""
# Two transactions waited for each other. The server ended one of them, which may run again.
_CONFLICTS = (errors.DeadlockDetected, errors.SerializationFailure)
# The statement names a table or column that the database does not have.
_OTHER_SCHEMA = (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction)
# The server has lost its role. A new connection may reach the server that has the role now.
_MOVED = (errors.ReadOnlySqlTransaction, errors.AdminShutdown, errors.CrashShutdown)

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")


class Database:
    """A database with the current schema. Thread-safe.

    Args:
        address: Address of the database.

    Raises:
        ConfigError: If the database cannot be opened, or was written by a newer nilometer.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._free = threading.Semaphore(MOST_CONNECTIONS)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._is_closed = False
        try:
            with self._connect() as connection:
                self._require_utf8(connection)
                migrate(Session(connection), MIGRATIONS, f"store = {str(address)!r}")
        except psycopg.Error as error:
            raise ConfigError(f"store = {str(address)!r}: {address.message_of(error)}") from error

    def read(self, work: Callable[[Session], T]) -> T:
        """Return the result of *work*, which only reads. *work* may run more than once.

        Raises:
            StoreUnavailable: If the database cannot be read.
        """
        return self._run(work, "")

    def snapshot(self, work: Callable[[Session], T]) -> T:
        """Return the result of *work*, which only reads, and whose statements see the same samples.

        With `read`, each statement sees what was committed before it. *work* may run more than once.

        Raises:
            StoreUnavailable: If the database cannot be read.
        """
        return self._run(work, _SNAPSHOT)

    def write(self, work: Callable[[Session], T]) -> T:
        """Return the result of *work* in a transaction. *work* may run more than once.

        Raises:
            StoreUnavailable: If the database fails. Nothing has changed then, unless the connection
                was lost while the server committed.
        """
        return self._run(work, _CHANGE)

    def close(self) -> None:
        """Close all connections. May be called twice."""
        self._is_closed = True
        self._close_idle()

    def _run(self, work: Callable[[Session], T], begin: LiteralString) -> T:
        if not self._free.acquire(timeout=BUSY_SECONDS):
            raise StoreUnavailable(f"database: all {MOST_CONNECTIONS} connections are in use")
        try:
            for attempt in range(1, ATTEMPTS + 1):
                connection = self._borrow()
                is_committing = False
                try:
                    if not begin:
                        return work(Session(connection))
                    connection.execute(begin)
                    result = work(Session(connection))
                    is_committing = True
                    connection.execute("COMMIT")
                    return result
                except psycopg.Error as error:
                    is_lost = connection.broken or isinstance(error, _MOVED)
                    if is_lost:
                        connection.close()
                        self._close_idle()
                    can_retry = isinstance(error, _CONFLICTS) or (is_lost and not is_committing)
                    if not can_retry or attempt == ATTEMPTS:
                        raise self._failure(error) from error
                finally:
                    self._give_back(connection)
            raise AssertionError  # the last attempt returned or raised
        finally:
            self._free.release()

    def _failure(self, error: psycopg.Error) -> StoreUnavailable:
        why = self._address.message_of(error)
        if isinstance(error, _OTHER_SCHEMA):
            why += ": a newer collector has changed the database: update this collector"
        return StoreUnavailable(f"database: {why}")

    def _borrow(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        if self._is_closed:
            raise StoreUnavailable("database: is closed")
        try:
            return self._connect()
        except psycopg.Error as error:
            raise self._failure(error) from error

    def _connect(self) -> Connection:
        connection = psycopg.connect(self._address.conninfo, autocommit=True)
        try:
            register(connection)
            connection.execute(_PREPARE)
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_back(self, connection: Connection) -> None:
        """Keep *connection* for the next call; roll back first if its transaction failed."""
        try:
            if not connection.closed and connection.info.transaction_status not in {
                TransactionStatus.IDLE,
                TransactionStatus.UNKNOWN,
            }:
                connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()
        with self._lock:
            if not connection.closed and not self._is_closed:
                self._idle.append(connection)
                return
        connection.close()

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _require_utf8(self, connection: Connection) -> None:
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise ConfigError(
                f"store = {str(self._address)!r}: has the encoding {encoding}: create a database "
                "with the encoding UTF8"
            )
