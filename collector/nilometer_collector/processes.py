"""Runs commands for code of users, each in a session of its own, for a limited time."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

MOST_OUTPUT = 2000  # last bytes of what a command prints that are kept

# Variables that a command inherits. All others may hold secrets of the collector.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE")


def inherited() -> dict[str, str]:
    """Return the variables that code of users may see."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a command.

    Attributes:
        code: Exit code, negative for a signal; None if its time was over.
        output: Last lines that it printed.
    """

    code: int | None
    output: str


class Processes:
    """The running commands, so that a stop can end them. Any thread may call."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_stopping = False

    def run(
        self,
        command: Sequence[str],
        content: bytes,
        environment: Mapping[str, str],
        seconds: float,
        *,
        directory: Path | None = None,
        keeps_jobs: bool = False,
    ) -> Ended:
        """Run *command* and wait for its end.

        What it prints goes to a file and not to a pipe, which a job that it starts would keep open.

        Args:
            command: Program and arguments.
            content: Bytes for its standard input.
            environment: All of its variables.
            seconds: Longest time; then it is ended, with everything that it has started.
            directory: Directory in which it runs; None for that of the collector.
            keeps_jobs: Whether what it has started may go on after it returned 0.
        """
        code: int | None = None
        with TemporaryFile() as output:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            self._running.add(process)
            try:
                if self._is_stopping:
                    _kill(process)
                process.communicate(content, timeout=seconds)
                code = process.returncode
            except subprocess.TimeoutExpired:
                pass
            finally:
                if code != 0 or not keeps_jobs:
                    _kill(process)  # also what it has started
                process.wait()
                self._running.discard(process)
            size = output.seek(0, os.SEEK_END)
            output.seek(max(size - MOST_OUTPUT, 0))
            return Ended(code, output.read(MOST_OUTPUT).decode("utf-8", "replace"))

    def stop(self) -> None:
        """End all running commands. Later ones end at once."""
        self._is_stopping = True
        for process in tuple(self._running):
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End *process* and everything in its session; do nothing if it has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
