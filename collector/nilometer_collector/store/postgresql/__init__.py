"""The store in PostgreSQL, for several collectors."""

from nilometer_collector.store.postgresql.store import PostgresqlStore

__all__ = ["PostgresqlStore"]
