"""Disk space: how much of it the outbox may use, and a reserve to release when it is full."""

import logging
import os
import resource
from pathlib import Path

from nilometer.settings.private import open_private

LEAST_BYTES = 256 << 10  # a smaller database cannot work
SHARE = 0.5  # largest share of the free space
SCARCE_RATIO = 0.05  # share of the disk that must stay free for other programs

log = logging.getLogger("nilometer.agent")


def free_bytes(directory: Path) -> int:
    """Return the free bytes for an unprivileged process."""
    there = os.statvfs(directory)
    return there.f_bavail * there.f_frsize


def allowed_bytes(database: Path, most_bytes: int) -> int:
    """Return the cap of a database: *most_bytes*, or half of the available disk space if less.

    The cap also stays below the process's limit for the size of a file. Otherwise the log could not
    be written into the file, and no row could be shipped or dropped.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY:
        most_bytes = max(min(most_bytes, limit), LEAST_BYTES)
    try:
        own = database.stat().st_size if database.exists() else 0
        available = free_bytes(database.parent) + own
    except OSError:
        return most_bytes
    return max(min(most_bytes, int(available * SHARE)), LEAST_BYTES)


def is_scarce(directory: Path, needed_bytes: int) -> bool:
    """Return whether the disk has less than a twentieth and less than *needed_bytes* free."""
    try:
        there = os.statvfs(directory)
    except OSError:
        return False
    free = there.f_bavail * there.f_frsize
    return free < needed_bytes and there.f_bavail < there.f_blocks * SCARCE_RATIO


class Ballast:
    """A file that only reserves space. It is deleted when the disk is full, to make room.

    Args:
        path: Path of the file.
        size: Size in bytes; twice the log, which is enough for a transaction and its checkpoint.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    @property
    def is_there(self) -> bool:
        """Whether the file exists, so that it can be released."""
        return self._path.exists()

    def restore(self) -> None:
        """Create the file again, if more than twice its size is free."""
        try:
            if self._path.exists() or free_bytes(self._path.parent) < 2 * self._size:
                return
            descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT)
            try:
                os.posix_fallocate(descriptor, 0, self._size)
            finally:
                os.close(descriptor)
        except OSError as error:
            self.release()
            log.debug(
                "cannot reserve disk space for the outbox, will retry: free disk space",
                extra={"reason": error.strerror},
            )

    def release(self) -> bool:
        """Delete the file; return whether it existed."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
