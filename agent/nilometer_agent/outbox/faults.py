"""Kinds of SQLite errors that the outbox handles in different ways."""

import sqlite3
from enum import Enum


class Damaged(sqlite3.DatabaseError):
    """The structure of the file is damaged."""


class Fault(Enum):
    """Why a transaction failed."""

    FULL = "full"  # the disk is full, or the database has reached its cap
    DAMAGED = "damaged"  # the file is damaged
    REFUSED = "refused"  # the disk failed to read, write, open or lock
    STATEMENT = "statement"  # SQLite does not understand the statement or the schema
    OTHER = "other"  # not caused by the disk

    @classmethod
    def of(cls, error: sqlite3.Error) -> "Fault":
        """Return the kind of *error*."""
        if isinstance(error, Damaged):
            return cls.DAMAGED
        return _FAULTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, cls.OTHER)


_FAULTS = {
    sqlite3.SQLITE_FULL: Fault.FULL,
    **dict.fromkeys((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB), Fault.DAMAGED),
    **dict.fromkeys(
        (
            *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
            *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOLFS),
            *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL),
        ),
        Fault.REFUSED,
    ),
    sqlite3.SQLITE_ERROR: Fault.STATEMENT,
}


def is_full(error: BaseException) -> bool:
    """Return whether *error* says that the disk is full, or the database has reached its cap."""
    return isinstance(error, sqlite3.Error) and Fault.of(error) is Fault.FULL


def is_of_disk(error: BaseException) -> bool:
    """Return whether the disk caused *error*, so that any other transaction would fail as well."""
    disk = {Fault.FULL, Fault.DAMAGED, Fault.REFUSED}
    return isinstance(error, sqlite3.Error) and Fault.of(error) in disk
