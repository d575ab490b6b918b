"""Check of the sockets, from outside the agent."""

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
    """Check that the agent listens on its socket and on the one for plain frames."""
    path = examined.settings.socket_path
    for one in (path, frame_socket(path)):
        wrong = _wrong(one, examined.settings.home)
        if wrong is not None:
            yield wrong
            return
    yield Finding("socket", Level.OK, str(path))


def _wrong(path: Path, home: Path) -> Finding | None:
    """Yield problems with the socket at *path* of an agent with the data directory *home*."""
    text, remedy = "", ""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if _is_locked(home / "agent.lock"):
            text = f"{path} does not exist, but an agent uses {home}"
            remedy = (
                "restart the agent: it uses another socket, is an older version, or its socket was "
                "removed"
            )
        else:
            text = f"{path} does not exist: no agent runs here"
            remedy = "start one: `nilometer agent`, or `nilometer run --entity NAME -- COMMAND`"
    except OSError as error:
        text, remedy = f"{path}: {error.strerror}", "run the doctor as the user of the agent"
    else:
        if not stat.S_ISSOCK(mode):
            text, remedy = f"{path} is not a socket", f"remove {path} and restart the agent"
        elif not answers(path):
            locked = _is_locked(home / "agent.lock")
            if locked:
                text = f"{path}: an agent runs but does not listen on this socket"
                remedy = "restart the agent: it is stopped or hangs"
            else:
                text = f"{path}: no agent listens on this socket"
                remedy = "start the agent: `nilometer agent`"
    return Finding("socket", Level.BROKEN, text, remedy) if text else None


def _is_locked(path: Path) -> bool:
    """Return whether a process holds the lock of a data directory."""
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
