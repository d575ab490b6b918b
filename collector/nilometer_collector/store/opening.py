"""Opens the store that the settings define."""

from pathlib import Path

from nilometer.values.errors import ConfigError
from nilometer_collector.access.secret import Secret
from nilometer_collector.store.protocol import Store
from nilometer_collector.store.sqlite import SqliteStore


def open_store(database: Path | Secret, channel: str) -> Store:
    """Open the store.

    Args:
        database: Path of the SQLite file, or URL of the PostgreSQL database.
        channel: Name of the channel that this collector has by its settings; empty for none.

    Raises:
        ConfigError: If the database cannot be opened, is used by another collector and cannot be
            shared, or was not written by this or an older nilometer.
    """
    if isinstance(database, Path):
        return SqliteStore(database, channel)
    try:
        from nilometer_collector.store.postgresql import PostgresqlStore
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"store = 'postgresql://...': needs the package {error.name}: install "
            "nilometer[collector,postgresql]"
        ) from error
    return PostgresqlStore(database.reveal(), channel)
