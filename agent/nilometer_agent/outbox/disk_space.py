"""Disk space: how much of it the outbox may use, and a reserve to release when it is full."""

import logging
import os
import resource
from pathlib import Path

from nilometer.settings.private import open_private

LEAST_BYTES = 256 << 10  # a database that is smaller cannot work
SHARE = 0.5  # of the free space, at most
SCARCE_RATIO = 0.05  # of the disk: less is left to the others

log = logging.getLogger("nilometer.agent")


def free_bytes(directory: Path) -> int:
    """What an unprivileged process may still write."""
    there = os.statvfs(directory)
    return there.f_bavail * there.f_frsize


def allowed_bytes(database: Path, most_bytes: int) -> int:
    """The cap of a database: *most_bytes*, but not over half of what the disk has for it.

    Nor over what the process may write into one file: a log that cannot be folded into its file
    would keep everything from its way, while the oldest rows could have gone.
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
    """Whether the disk has less than a twentieth and less than *needed_bytes* left."""
    try:
        there = os.statvfs(directory)
    except OSError:
        return False
    free = there.f_bavail * there.f_frsize
    return free < needed_bytes and there.f_bavail < there.f_blocks * SCARCE_RATIO


class Ballast:
    """A file that only takes room: removed when a disk is full, so that work can go on.

    Args:
        path: Of the file.
        size: In bytes; twice the log, so that a transaction and its checkpoint find room.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    @property
    def is_there(self) -> bool:
        """Whether it can be thrown off."""
        return self._path.exists()

    def restore(self) -> None:
        """Take the room again, if more than twice of it is free."""
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
            log.debug("no ballast", extra={"reason": error.strerror})

    def release(self) -> bool:
        """Give the room back; whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
