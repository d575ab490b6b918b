"""The store in one SQLite file, for one collector."""

from nilometer_collector.store.sqlite.backup import back_up, restore
from nilometer_collector.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "back_up", "restore"]
