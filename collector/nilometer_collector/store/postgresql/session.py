"""Statements on one PostgreSQL connection, with named parameters."""

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg import sql

from nilometer_collector.store.texts import check_texts

Statement: TypeAlias = LiteralString | sql.Composed
NO_VALUES: Mapping[str, object] = {}


class Session:
    """One connection while one thread uses it. Every method raises `psycopg.Error`.

    Args:
        connection: Connection in autocommit mode; `Database.write` begins and ends transactions.
    """

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def rows(
        self, statement: Statement, values: Mapping[str, object] = NO_VALUES
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        _check(values)
        return self._connection.execute(statement, values or None).fetchall()

    def row(
        self, statement: Statement, values: Mapping[str, object] = NO_VALUES
    ) -> tuple[Any, ...] | None:
        """Return the first row of a query; None if there is no row."""
        _check(values)
        return self._connection.execute(statement, values or None).fetchone()

    def execute(self, statement: Statement, values: Mapping[str, object] = NO_VALUES) -> int:
        """Run one statement; return the number of changed rows."""
        _check(values)
        return self._connection.execute(statement, values or None).rowcount

    def copy(self, statement: LiteralString, packed: Iterable[bytes]) -> None:
        """Run ``COPY ... FROM STDIN (FORMAT BINARY)`` with rows of `copying.packed_rows`."""
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for part in packed:
                copy.write(part)


def _check(values: Mapping[str, object]) -> None:
    for value in values.values():
        check_texts(value if isinstance(value, list) else (value,))
