"""The socket, seen from outside."""

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nilometer.handoff.settings import frame_socket
from nilometer.handoff.spawn import answers
from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level


def socket(examined: ExaminedAgent) -> Iterator[Finding]:
    """Whether somebody listens on the socket, and on the one for plain frames beside it."""
    path = examined.settings.socket_path
    for one in (path, frame_socket(path)):
        wrong = _wrong(one, examined.settings.home)
        if wrong is not None:
            yield wrong
            return
    yield Finding("socket", Level.OK, str(path))


def _wrong(path: Path, home: Path) -> Finding | None:
    """What is wrong with the socket at *path* of an agent with the data directory *home*."""
    text, remedy = "", ""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if _is_locked(home / "agent.lock"):
            text = f"{path} is not there, but an agent holds {home}"
            remedy = "it listens elsewhere, is older than this, or somebody removed it: restart it"
        else:
            text = f"{path} is not there: no agent runs here"
            remedy = "start one: `nilometer agent`, or `nilometer run --entity NAME -- COMMAND`"
    except OSError as error:
        text, remedy = f"{path}: {error.strerror}", "run as the user of the agent"
    else:
        if not stat.S_ISSOCK(mode):
            text, remedy = f"{path} is not a socket", f"remove {path} and restart the agent"
        elif not answers(path):
            locked = _is_locked(home / "agent.lock")
            who = "an agent holds the directory and does not" if locked else "nobody does"
            text = f"{path}: {who} listen on it"
            remedy = (
                "restart it: it is stopped or hangs" if locked else "start it: `nilometer agent`"
            )
    return Finding("socket", Level.BROKEN, text, remedy) if text else None


def _is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a data directory."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
