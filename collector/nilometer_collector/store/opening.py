"""Opens the store that the settings define, and copies it."""

from collections.abc import Callable
from pathlib import Path

from nilometer.values.errors import ConfigError
from nilometer_collector.access.secret import Secret
from nilometer_collector.access.workspaces import NO_WORKSPACES, Workspaces
from nilometer_collector.store.protocol import Store
from nilometer_collector.store.sqlite import SqliteStore, back_up, restore


def open_store(
    database: Path | Secret, channel: str, workspaces: Workspaces = NO_WORKSPACES
) -> Store:
    """Open the store.

    Args:
        database: Path of the SQLite file, or URL of the PostgreSQL database.
        channel: Name of the channel that this collector has by its settings; empty for none.
        workspaces: Workspaces of the settings.

    Raises:
        ConfigError: If the database cannot be opened, is used by another collector and cannot be
            shared, or was not written by this or an older nilometer.
    """
    if isinstance(database, Path):
        return SqliteStore(database, channel, workspaces)
    try:
        from nilometer_collector.store.postgresql import PostgresqlStore
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"store = 'postgresql://...': needs the package {error.name}: install "
            "nilometer[collector,postgresql]"
        ) from error
    return PostgresqlStore(database.reveal(), channel, workspaces)


def back_up_store(database: Path | Secret, target: Path, pause: Callable[[], None]) -> int:
    """Copy the store to the new file *target* while a collector may be using it.

    Args:
        database: Path of the SQLite file; a URL is refused.
        target: Path of the backup.
        pause: Function that is called after each step, so that others can work.

    Returns:
        Size of the backup in bytes.

    Raises:
        ConfigError: If the store cannot be copied to *target*; nothing has changed then.
        StoreUnavailable: If the copy fails; *target* does not exist then.
    """
    return back_up(_file(database), target, pause)


def restore_store(
    backup: Path, database: Path | Secret, pause: Callable[[], None], *, replace: bool
) -> int:
    """Make *backup* the store, which no collector may be using; return its size in bytes.

    Args:
        backup: File that `back_up_store` has made.
        database: Path of the SQLite file; a URL is refused.
        pause: Function that is called after each step.
        replace: Whether the store may exist; it is lost then.

    Raises:
        ConfigError: If the store is in use, exists, or *backup* is not a backup.
        StoreUnavailable: If the copy fails; the store is unchanged then.
    """
    return restore(backup, _file(database), pause, replace=replace)


def _file(database: Path | Secret) -> Path:
    if isinstance(database, Path):
        return database
    raise ConfigError(
        "store = 'postgresql://...': is not a SQLite file: use pg_dump and pg_restore (docs/backup.md)"
    )
