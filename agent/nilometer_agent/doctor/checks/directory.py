"""Check of the data directory and its file system."""

import os
import stat
from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.doctor.words import bytes_in_words

FREE_BYTES = 64 << 20


def directory(examined: ExaminedAgent) -> Iterator[Finding]:
    """Check that the data directory exists, is private and writable, and has free space."""
    home = examined.settings.home
    try:
        found = home.stat()
    except FileNotFoundError:
        yield Finding(
            "directory",
            Level.BROKEN,
            f"{home}: this directory does not exist",
            "start an agent with `nilometer agent`, or give its directory with --directory",
        )
        return
    except OSError as error:
        remedy = f"check the permissions of {home.parent}"
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
            "run server and agent as the same user: only the owner may open the socket",
        )
    elif found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        yield Finding(
            "directory",
            Level.WARNING,
            f"{home} has mode {mode:04o}: other users can access its files",
            f"chmod 0700 {home}",
        )
    system = os.statvfs(home)
    free = system.f_bavail * system.f_frsize
    if system.f_flag & os.ST_RDONLY:
        remedy = "mount a writable volume: until then the agent keeps everything in memory"
        yield Finding("directory", Level.BROKEN, f"{home} is on a read-only file system", remedy)
    elif not os.access(home, os.W_OK | os.X_OK):
        yield Finding("directory", Level.BROKEN, f"{home} cannot be written", f"chmod u+rwx {home}")
    elif free < FREE_BYTES:
        yield Finding(
            "directory",
            Level.WARNING,
            f"{home}: its file system has {bytes_in_words(free)} free",
            "free some space: on a full disk the agent drops the oldest summaries",
        )
    else:
        yield Finding("directory", Level.OK, f"{home}, {bytes_in_words(free)} free")
