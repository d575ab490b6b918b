"""The socket, seen from outside."""

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nilometer.handoff.spawn import answers
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.doctor.patient import Patient


def socket(patient: Patient) -> Iterator[Finding]:
    """Whether somebody listens on the socket."""
    path = patient.settings.socket_path
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if _is_locked(patient.settings.home / "agent.lock"):
            text = f"{path} is not there, but an agent holds {patient.settings.home}"
            remedy = "it listens elsewhere, or somebody removed its socket: restart it"
        else:
            text = f"{path} is not there: no agent runs here"
            remedy = "start one: `nilometer agent`, or `nilometer run --entity NAME -- COMMAND`"
        yield Finding("socket", Level.BROKEN, text, remedy)
        return
    except OSError as error:
        remedy = "run as the user of the agent"
        yield Finding("socket", Level.BROKEN, f"{path}: {error.strerror}", remedy)
        return
    if not stat.S_ISSOCK(mode):
        remedy = f"remove {path} and restart the agent"
        yield Finding("socket", Level.BROKEN, f"{path} is not a socket", remedy)
        return
    if not answers(path):
        locked = _is_locked(patient.settings.home / "agent.lock")
        who = "an agent holds the directory and does not" if locked else "nobody does"
        remedy = "restart it: it is stopped or hangs" if locked else "start it: `nilometer agent`"
        yield Finding("socket", Level.BROKEN, f"{path}: {who} listen on it", remedy)
        return
    yield Finding("socket", Level.OK, str(path))


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
