"""Calls a function of a user in a process with limits of time, memory and files."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from nilometer.alert import Alerter
from nilometer.alert.conditions import Reported
from nilometer.functions.child import MOST_FILE_BYTES, Answer, Call
from nilometer.values.clock import NANOSECONDS
from nilometer.values.window import Window
from nilometer_collector.alerting.function_limits import FunctionLimits

# Variables that the process inherits. All others may hold secrets of the collector.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE")
# Libraries for linear algebra reserve memory for each thread.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_MOST_OUTPUT = 2000  # last bytes of what the function prints that are kept


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call led to.

    Attributes:
        answer: Reports, or the reason why there are none.
        output: Last lines that the function printed.
    """

    answer: Answer
    output: str = ""


class Running:
    """The processes of running calls, so that a stop can end them."""

    def __init__(self) -> None:
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._is_stopping = False

    def call(
        self,
        alerter: Alerter,
        condition: Reported,
        window: Window,
        limits: FunctionLimits,
        url: Callable[[], str],
    ) -> Outcome:
        """Call the function of *condition* for *window*, and wait for its answer.

        Args:
            alerter: Alerter with this condition.
            condition: Condition that names the function.
            window: Interval for which a status is asked.
            limits: Limits of the call.
            url: Function that returns the URL of the collector's API.
        """
        call = Call(
            function=condition.function,
            entity=alerter.entity,
            alerter=alerter.name,
            start=window.start_ns / NANOSECONDS,
            end=window.end_ns / NANOSECONDS,
            url=url(),
            token_file=limits.token_file,
            tls_ca=limits.tls_ca,
            memory_bytes=limits.memory_mib << 20,
            seconds=round(limits.seconds) + 1,
        )
        with tempfile.TemporaryDirectory(prefix="nilometer-function-") as directory:
            return self._run(call, Path(directory), limits.seconds)

    def stop(self) -> None:
        """End all running processes. Later calls fail."""
        self._is_stopping = True
        for process in tuple(self._processes):
            _kill(process)

    def _run(self, call: Call, directory: Path, seconds: float) -> Outcome:
        answered, printed = directory / "answer", directory / "output"
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        command = [sys.executable, "-m", "nilometer.functions.child", str(answered)]
        with printed.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment | _ONE_THREAD,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            self._processes.add(process)
            try:
                if self._is_stopping:
                    _kill(process)
                process.communicate(msgspec.json.encode(call), timeout=seconds)
                failure = _ended(process.returncode)
            except subprocess.TimeoutExpired:
                failure = f"it took longer than {seconds:g} s"
            finally:
                _kill(process)  # also what the function has started
                process.wait()
                self._processes.discard(process)
        return Outcome(_answer(answered, failure), _end_of(printed))


def _answer(path: Path, failure: str) -> Answer:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(MOST_FILE_BYTES), type=Answer)
    except FileNotFoundError:
        return Answer(failure=failure)
    except msgspec.DecodeError as error:
        return Answer(failure=f"its answer cannot be read: {error}")


def _ended(code: int) -> str:
    if code in {-signal.SIGXCPU, -signal.SIGKILL}:
        return "it was ended: it used too much processor time or memory"
    return f"its process ended with {code} and no answer"


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _MOST_OUTPUT, 0))
        return file.read().decode("utf-8", "replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End *process* and everything in its session; do nothing if it has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
