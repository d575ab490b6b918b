"""Whether the file at a path is still the file that is open: a deleted file takes writes, too."""

import os
from pathlib import Path

from nilometer.settings.private import open_private


class Place:
    """The path of an open database and its log. Without a path - in memory - nothing can move.

    Args:
        path: The database; made with mode 0600 where it is missing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor = -1
        self._files: list[tuple[int, int]] = []
        if path is not None:
            self._descriptor = open_private(path, os.O_RDWR | os.O_CREAT)

    def remember(self) -> None:
        """Take the files that are there now for those that are open."""
        self._files = self._found()

    @property
    def is_kept(self) -> bool:
        """Whether the remembered files are still there."""
        try:
            return self._found() == self._files
        except OSError:
            return False

    @property
    def is_deleted(self) -> bool:
        """Whether no directory has the file any more: it goes with this process's hold on it."""
        return self._descriptor >= 0 and os.fstat(self._descriptor).st_nlink == 0

    def close(self) -> None:
        """Let the file go. Safe twice.

        Only after SQLite has let it go: closing any descriptor of a file drops its locks.
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
