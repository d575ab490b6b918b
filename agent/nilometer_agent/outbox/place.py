"""Checks that the open file is still at its path, because a deleted file accepts writes too."""

import os
from pathlib import Path

from nilometer.settings.private import open_private


class Place:
    """The path of an open database and its log. A database in memory has no path and never moves.

    Args:
        path: Path of the database; created with mode 0600 if it is missing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor = -1
        self._files: list[tuple[int, int]] = []
        if path is not None:
            self._descriptor = open_private(path, os.O_RDWR | os.O_CREAT)

    def remember(self) -> None:
        """Remember the files that are at the path now."""
        self._files = self._found()

    @property
    def is_kept(self) -> bool:
        """Whether the remembered files are still at the path."""
        try:
            return self._found() == self._files
        except OSError:
            return False

    @property
    def is_deleted(self) -> bool:
        """Whether the file is in no directory, so that it disappears when this process closes it."""
        return self._descriptor >= 0 and os.fstat(self._descriptor).st_nlink == 0

    def close(self) -> None:
        """Close the file. May be called twice.

        Call this after SQLite has closed it, because closing any descriptor drops the locks.
        """
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _found(self) -> list[tuple[int, int]]:
        if self._path is None:
            return []
        found = [
            file.stat() for file in (self._path, self._path.with_name(self._path.name + "-wal"))
        ]
        return [(there.st_dev, there.st_ino) for there in found]
