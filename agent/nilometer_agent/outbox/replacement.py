"""A new database that takes the place of a damaged one, which is kept beside it.

The new one is made as ``.new``, the old one becomes ``.corrupt``. A crash in between leaves both
or a finished ``.new`` alone, and `Replacement.finish` goes on from there.
"""

import os
from pathlib import Path

KEPT_DAMAGE_BYTES = 64 << 20  # a damaged file that is larger is not kept for a look


class Replacement:
    """The files beside a database while another one takes its place.

    Args:
        path: The database.

    Attributes:
        new: Where the new one is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.new = _beside(path, ".new")

    def put_in_place(self) -> None:
        """Move the old database aside, if there is one, and the new one to its path."""
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
        """A finished new file without an old one is what a crash left of `put_in_place`."""
        if not self.new.exists():
            return
        if self._path.exists() or _beside(self.new, "-wal").exists():
            self.discard()
        else:
            self.put_in_place()

    def discard(self) -> None:
        """Remove what was made of a new database."""
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
