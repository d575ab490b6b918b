"""Opens the store that the settings name."""

from pathlib import Path

from nilometer_collector.store.protocol import Store
from nilometer_collector.store.sqlite import SqliteStore


def open_store(path: Path, channel: str) -> Store:
    """Open the store.

    Args:
        path: Path of the SQLite file.
        channel: Name of the channel that receives notifications; empty for no notifications.

    Raises:
        ConfigError: If the database is in use, or not of this or an older nilometer.
    """
    return SqliteStore(path, channel)
