"""Starts an agent if none runs, so that one line of code is enough to set up monitoring.

The first worker that finds no agent takes a lock next to the socket, and starts an agent as a child
process in its own session. Other workers wait for the socket. The agent ends when its last worker
has left.
"""

import fcntl
import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

from nilometer.settings.private import open_private, private_directory
from nilometer.values.errors import ConfigError
from nilometer.values.limited_log import LimitedLog
from nilometer.values.variables import RUN

START_SECONDS = 10.0  # time after which a child that does not answer counts as failed
NEEDED = ("nilometer_agent", "sqlite_utils", "opentelemetry.sdk", "grpc_health")


def answers(path: Path) -> bool:
    """Return whether a process listens on the Unix socket at *path*."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


class AgentSpawner:
    """Starts at most one agent for a directory.

    Args:
        home: Directory of the socket and the agent's data; created with mode 0700.
        allowed_uids: User ids that may own it, in addition to this user and root.

    Attributes:
        trouble: Reason why no agent could be started, and what to do; empty without a problem.

    Raises:
        ConfigError: If the agent's packages are not installed.
    """

    def __init__(self, home: Path, allowed_uids: Collection[int] = ()) -> None:
        missing = [name for name in NEEDED if not _installed(name)]
        if missing:
            raise ConfigError(
                f"the agent needs {', '.join(missing)}: pip install 'nilometer[agent]'"
            )
        self.trouble = ""
        self._home = home
        self._allowed_uids = allowed_uids
        self._log = LimitedLog()
        self._child: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._give_up_at = 0.0

    @property
    def starting(self) -> bool:
        """Whether a child of this process is starting."""
        return self._child is not None and self._child.poll() is None

    def start_if_needed(self) -> None:
        """Start an agent if no other worker has; call this again until the socket answers."""
        try:
            self._start_if_needed()
        except ConfigError as error:
            self._warn(f"no agent can be started: {error}")
        except OSError as error:
            self._warn(
                f"no agent can be started in {self._home}: {error.strerror or error}: let uid "
                f"{os.geteuid()} write there, or set `directory`"
            )

    def _start_if_needed(self) -> None:
        if self._child is not None:
            if self._child.poll() is None and time.monotonic() < self._give_up_at:
                return
            self._warn(f"the agent did not start: see {self._home / 'agent.log'}")
            self._child = None
            self._release()
        if not self._take():
            return
        command = [sys.executable, "-m", "nilometer_agent", "--directory", str(self._home)]
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with os.fdopen(open_private(self._home / "agent.log", flags), "ab") as output:
            self._child = subprocess.Popen(
                [*command, "--until-idle"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={name: value for name, value in os.environ.items() if name != RUN},
                cwd="/",
            )
        self._give_up_at = time.monotonic() + START_SECONDS

    def _warn(self, trouble: str) -> None:
        self.trouble = trouble
        self._log.warning(trouble)

    def _take(self) -> bool:
        if self._lock is not None:
            return True
        private_directory("directory", self._home, self._allowed_uids)
        lock = open_private(self._home / "spawn.lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
