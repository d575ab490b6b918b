"""The data directory and its file system."""

import os
import stat
from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.doctor.words import bytes_in_words

FREE_BYTES = 64 << 20


def directory(examined: ExaminedAgent) -> Iterator[Finding]:
    """Whether the data directory is there, private, writable and has room."""
    home = examined.settings.home
    try:
        found = home.stat()
    except FileNotFoundError:
        yield Finding(
            "directory",
            Level.BROKEN,
            f"{home}: there is no such directory",
            "no agent has run here: start one with `nilometer agent`, or name its directory with "
            "--directory",
        )
        return
    except OSError as error:
        remedy = f"see the permissions of {home.parent}"
        yield Finding("directory", Level.BROKEN, f"{home}: {error.strerror}", remedy)
        return
    if not stat.S_ISDIR(found.st_mode):
        remedy = "remove the file, or name another directory"
        yield Finding("directory", Level.BROKEN, f"{home} is not a directory", remedy)
        return
    if found.st_uid != os.getuid():
        yield Finding(
            "directory",
            Level.WARNING,
            f"{home} belongs to user {found.st_uid}, you are {os.getuid()}",
            "server and agent must run as one user: the socket is for its owner only",
        )
    elif found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        yield Finding(
            "directory",
            Level.WARNING,
            f"{home} has mode {mode:04o}: others can reach what is in it",
            f"chmod 0700 {home}",
        )
    system = os.statvfs(home)
    free = system.f_bavail * system.f_frsize
    if system.f_flag & os.ST_RDONLY:
        remedy = "mount a volume that can be written: until then all is kept in memory"
        yield Finding("directory", Level.BROKEN, f"{home} is on a read-only file system", remedy)
    elif not os.access(home, os.W_OK | os.X_OK):
        yield Finding("directory", Level.BROKEN, f"{home} cannot be written", f"chmod u+rwx {home}")
    elif free < FREE_BYTES:
        yield Finding(
            "directory",
            Level.WARNING,
            f"{home}: {bytes_in_words(free)} are free on its file system",
            "make room: when the disk is full the oldest summaries go",
        )
    else:
        yield Finding("directory", Level.OK, f"{home}, {bytes_in_words(free)} free")
