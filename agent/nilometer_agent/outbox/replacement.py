"""Replaces a damaged database by a new one, and keeps the damaged file.

The new database is written as ``.new``, then the old one is renamed to ``.corrupt``. After a crash in
between, both files exist, or only a finished ``.new``. `Replacement.finish` continues from there.
"""

import os
from pathlib import Path

KEPT_DAMAGE_BYTES = 64 << 20  # a larger damaged file is not kept


class Replacement:
    """The files of a database that is being replaced.

    Args:
        path: Path of the database.

    Attributes:
        new: Path at which the new database is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.new = _beside(path, ".new")

    def put_in_place(self) -> None:
        """Rename the old database, if there is one, and move the new one to its path."""
        kept = _beside(self._path, ".corrupt")
        for ending in ("-wal", "-shm", ""):
            there = _beside(self._path, ending)
            if not there.exists():
                continue
            if ending == "-shm" or there.stat().st_size > KEPT_DAMAGE_BYTES:
                there.unlink()
            else:
                there.rename(_beside(kept, ending))
        self.new.rename(self._path)
        _sync_directory(self._path.parent)

    def finish(self) -> None:
        """Complete a `put_in_place` that a crash interrupted after it moved the old database."""
        if not self.new.exists():
            return
        if self._path.exists() or _beside(self.new, "-wal").exists():
            self.discard()
        else:
            self.put_in_place()

    def discard(self) -> None:
        """Delete an unfinished new database."""
        for ending in ("", "-wal", "-shm"):
            _beside(self.new, ending).unlink(missing_ok=True)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
