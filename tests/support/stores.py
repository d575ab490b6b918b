"""Databases for tests of the store, which can be opened repeatedly and changed from outside."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from nilometer_collector.access.secret import Secret
from nilometer_collector.access.workspaces import NO_WORKSPACES, Workspaces
from nilometer_collector.demo.postgresql import Server
from nilometer_collector.store import Store, open_store


class Place(Protocol):
    """A database that holds a store."""

    def open(self, channel: str = "slack", workspaces: Workspaces = NO_WORKSPACES) -> Store:
        """Open the store like a collector; every store is closed at the end of the test."""
        ...

    def change(self, *, sqlite: str = "", postgresql: str = "") -> list[tuple[object, ...]]:
        """Run a statement directly on the database, in its dialect, and return the rows."""
        ...

    def close(self) -> None:
        """Close every store."""
        ...


@dataclass
class SqlitePlace:
    """A SQLite file."""

    path: Path
    _opened: list[Store] = field(default_factory=list)

    def open(self, channel: str = "slack", workspaces: Workspaces = NO_WORKSPACES) -> Store:
        """Open the store."""
        self._opened.append(open_store(self.path, channel, workspaces))
        return self._opened[-1]

    def change(self, *, sqlite: str = "", postgresql: str = "") -> list[tuple[object, ...]]:
        """Run the statement for SQLite."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(sqlite).fetchall()

    def close(self) -> None:
        """Close every store."""
        for store in self._opened:
            store.close()


@dataclass
class PostgresqlPlace:
    """A database of a PostgreSQL server."""

    server: Server
    url: str
    _opened: list[Store] = field(default_factory=list)

    def open(self, channel: str = "slack", workspaces: Workspaces = NO_WORKSPACES) -> Store:
        """Open the store."""
        self._opened.append(open_store(Secret(self.url), channel, workspaces))
        return self._opened[-1]

    def change(self, *, sqlite: str = "", postgresql: str = "") -> list[tuple[object, ...]]:
        """Run the statement for PostgreSQL."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(postgresql.encode())
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Close every store, and drop the database."""
        for store in self._opened:
            store.close()
        self.server.drop_database(self.url)


NewPlace: TypeAlias = Callable[[], Place]


def copy_sqlite(prepared: Path, path: Path) -> None:
    """Make *path* a copy of the closed database *prepared*, with the access that a store wants."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(prepared, path)
