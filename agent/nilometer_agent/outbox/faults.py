"""What an error of SQLite says about the disk, as far as the outbox acts on it."""

import sqlite3
from enum import Enum


class Damaged(sqlite3.DatabaseError):
    """The file's structure is not sound."""


class Fault(Enum):
    """Why a transaction failed."""

    FULL = "full"  # the disk, or the cap of the database
    DAMAGED = "damaged"  # the file is not sound
    REFUSED = "refused"  # the disk did not read, write, open or lock
    STATEMENT = "statement"  # SQLite does not understand the statement or the schema
    OTHER = "other"  # no fault of the disk

    @classmethod
    def of(cls, error: sqlite3.Error) -> "Fault":
        """The fault that *error* tells of."""
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
