"""Copies a SQLite store: a backup while a collector writes to it, and a restored backup.

A backup is a snapshot: it holds everything that was acknowledged before it began. It reads the
store in one read transaction. In WAL mode, this does not delay writes; the write-ahead log grows
until the backup ends. A copy is written to a private file beside its target, checked, made durable
and then renamed, so an interrupted copy never looks like a complete one.
"""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from nilometer.settings.private import check_private, open_private, private_directory
from nilometer.values.errors import ConfigError
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store.sqlite.database import BUSY_SECONDS, hold, known_migrations
from nilometer_collector.store.versions import written_by_newer

PAGES_AT_ONCE = 256  # pages between two pauses; 1 MiB
MIGRATIONS = "nilometer_collector"

Pause = Callable[[], None]  # called after each step of the copy


def back_up(database: Path, target: Path, pause: Pause) -> int:
    """Copy the store in *database*, which a collector may be using, to the new file *target*.

    Args:
        database: SQLite file of the collector.
        target: Path of the backup; created with mode 0600.
        pause: Function that is called after each `PAGES_AT_ONCE` pages, so that others can work.

    Returns:
        Size of the backup in bytes.

    Raises:
        ConfigError: If *target* exists, *database* is not a store of this or an older version, or the
            disk is full.
        StoreUnavailable: If the copy fails; *target* does not exist then.
    """
    if target.exists():
        raise ConfigError(f"{target}: exists: choose another name, or remove it")
    check_private("database", *(Path(f"{database}{suffix}") for suffix in ("", "-wal", "-shm")))
    with _private_part(target) as part, _snapshot(database) as source:
        return _copy(source, part, target, pause)


def restore(backup: Path, database: Path, pause: Pause, *, replace: bool) -> int:
    """Make *backup* the store in *database*, which no collector may be using.

    Args:
        backup: File that `back_up` has made.
        database: SQLite file of the collector.
        pause: Function that is called after each `PAGES_AT_ONCE` pages.
        replace: Whether *database* may exist; it is lost then.

    Returns:
        Size of the store in bytes.

    Raises:
        ConfigError: If *database* is in use, or exists and may not be replaced, *backup* is not a store
            of this or an older version, or the disk is full.
        StoreUnavailable: If the copy fails; *database* is unchanged then.
    """
    with ExitStack() as held:
        hold(database, held)
        if database.exists():
            if not replace:
                raise ConfigError(f"{database}: exists: pass --replace to overwrite it")
            if backup.exists() and database.samefile(backup):
                raise ConfigError(f"{database}: is the backup itself: choose another file")
        with _private_part(database) as part, _snapshot(backup) as source:
            return _copy(source, part, database, pause)


@contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a store for reading, in one read transaction.

    Raises:
        ConfigError: If the file is not a store of this or an older version.
        StoreUnavailable: If it cannot be read.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    try:
        with closing(
            sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
            )
        ) as connection:
            connection.execute("BEGIN")
            _check_version(path, connection)
            yield connection
    except sqlite3.DatabaseError as error:
        raise StoreUnavailable(f"{path}: {error}") from error


def _check_version(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse a file that is not a store, or that a newer version has written; start the snapshot."""
    try:
        rows = connection.execute(
            "SELECT name FROM _sqlite_migrations WHERE migration_set = ?", (MIGRATIONS,)
        ).fetchall()
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"{path}: is not a store of nilometer: {error}") from error
    applied = {name for (name,) in rows}
    if not applied:
        raise ConfigError(f"{path}: is not a store of nilometer")
    newer = applied - known_migrations()
    if newer:
        raise written_by_newer(str(path), newer)


@contextmanager
def _private_part(target: Path) -> Iterator[Path]:
    """Create the private file ``<target>.part`` for one writer; remove it at the end.

    Raises:
        ConfigError: If it cannot be created, or another process is writing it.
    """
    part = target.with_name(f"{target.name}.part")
    private_directory("backup", target.parent)
    try:
        descriptor = open_private(part, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise ConfigError(f"{part}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            named = part.stat().st_ino
        except OSError as error:
            raise ConfigError(f"{target}: another process is writing it") from error
        if named != os.fstat(descriptor).st_ino:  # it was complete and renamed in the meantime
            raise ConfigError(f"{target}: another process has just written it")
        os.ftruncate(descriptor, 0)  # an interrupted copy may have left it
        try:
            yield part
        finally:
            for suffix in ("", "-journal", "-wal", "-shm"):
                Path(f"{part}{suffix}").unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _copy(source: sqlite3.Connection, part: Path, target: Path, pause: Pause) -> int:
    """Copy *source* to *part*, check it, and rename it to *target*; return its bytes."""
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous=OFF")  # the whole file is made durable at the end
            source.backup(copy, pages=PAGES_AT_ONCE, progress=lambda *_: pause())
            copy.execute("PRAGMA journal_mode=DELETE")  # so that the copy is one file
            ((found,),) = copy.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise StoreUnavailable(f"{target}: the copy is damaged: {found}")
        size = part.stat().st_size
        _sync(part)
        _remove_logs(target)
        part.rename(target)
        _sync(target.parent)
    except (OSError, sqlite3.DatabaseError) as error:
        if _is_full(error):
            raise ConfigError(f"{target}: {os.strerror(errno.ENOSPC)}") from error
        raise StoreUnavailable(f"{target}: {error}") from error
    return size


def _is_full(error: OSError | sqlite3.Error) -> bool:
    """Return whether *error* says that there is no space left on the disk."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _remove_logs(target: Path) -> None:
    """Write the log of a store that is replaced into its file, and remove it.

    SQLite would apply the log of the old file to the new one. An interruption after this leaves
    the old store complete.
    """
    if target.exists():
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(target)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Make the content of a file, or the names in a directory, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
