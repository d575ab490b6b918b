"""Private directories and files, safe even if others may write to the same directory.

A directory is trusted because of its owner. A file in it is opened without following a link,
because another user may have created it. The file must belong to this user or root, and gets its
mode regardless of the umask.
"""

import errno
import os
import stat
from collections.abc import Collection
from pathlib import Path

from nilometer.values.errors import ConfigError

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
ROOT = 0


def private_directory(key: str, path: Path, allowed_uids: Collection[int] = ()) -> None:
    """Create *path* and its parents for this user only, or check an existing *path*.

    A directory of root may be writable for every user, like a pod's volume. A directory of this
    user may be writable for others only with the sticky bit, which prevents others from replacing
    its files.

    Args:
        key: Name of the setting, for the error.
        path: Directory to create or check.
        allowed_uids: User ids that may own it, in addition to this user and root.

    Raises:
        ConfigError: If the directory cannot be created, is not a directory, or is not trusted.
    """
    try:
        _make(path)
        found = path.stat()
    except OSError as error:
        raise ConfigError(
            f"{key} = {str(path)!r}: {error.strerror}: let uid {os.geteuid()} write there, or set "
            f"`{key}`"
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"{key} = {str(path)!r}: is not a directory")
    if found.st_uid not in {os.geteuid(), ROOT, *allowed_uids}:
        raise ConfigError(
            f"{key} = {str(path)!r}: belongs to uid {found.st_uid}; it must belong to uid "
            f"{os.geteuid()}, to root, or to one of allowed_uids"
        )
    open_to_all = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    if open_to_all and found.st_uid != ROOT:
        raise ConfigError(
            f"{key} = {str(path)!r}: every user may write there; run chmod o-w {path}"
        )


def open_private(path: Path, flags: int) -> int:
    """Open a private regular file and return its descriptor; *flags* may create it, mode 0600.

    Raises:
        OSError: If the file cannot be opened, is a link, or belongs neither to this user nor to
            root.
    """
    # O_NONBLOCK, because opening must not wait if the file is a pipe.
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, FILE_MODE)
    try:
        _claim(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _claim(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid not in {os.geteuid(), ROOT}:
        raise PermissionError(errno.EPERM, "not a file of this user", str(path))
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != FILE_MODE:
        os.fchmod(descriptor, FILE_MODE)


def check_private(key: str, *paths: Path) -> None:
    """Check files that a library opens by name.

    Args:
        key: Name of the setting, for the error.
        paths: Paths of the files, which may be missing.

    Raises:
        ConfigError: If a file is not regular, or belongs neither to this user nor to root.
    """
    for path in paths:
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(f"{key}: {path}: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in {os.geteuid(), ROOT}:
            raise ConfigError(
                f"{key}: {path} is a link, not a file, or another user's: remove it, or choose another "
                "directory"
            )


def _make(path: Path) -> None:
    if path.is_dir():
        return
    if path.parent != path:
        _make(path.parent)
    try:
        path.mkdir(DIRECTORY_MODE)
    except FileExistsError:  # another process created it, or it is a file: checked below
        return
