"""Calls a function around each statement of a store, so that a test may kill the process there."""

import sqlite3
from collections.abc import Callable
from typing import Any


def at_each_statement(store: str, meet: Callable[[], None]) -> None:
    """Call *meet* before each statement of SQLite, or before and after each of PostgreSQL.

    Args:
        store: Path of a SQLite file, or URL of a PostgreSQL database. It is opened later.
        meet: Function without arguments.
    """
    if not store.startswith("postgresql:"):
        connect = sqlite3.connect

        def connected(*arguments: Any, **keywords: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **keywords)
            connection.set_trace_callback(lambda _: meet())
            return connection

        sqlite3.connect = connected  # type: ignore[assignment]
        return
    import psycopg

    real = psycopg.Connection.execute

    def counted(*arguments: Any, **keywords: Any) -> Any:
        meet()
        result = real(*arguments, **keywords)
        meet()
        return result

    psycopg.Connection.execute = counted  # type: ignore[method-assign]
