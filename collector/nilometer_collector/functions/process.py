"""Calls a function of a user in a process with limits of time, memory and files."""

import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from nilometer.alert import Alerter
from nilometer.alert.conditions import Reported
from nilometer.functions.child import MOST_FILE_BYTES, Answer, Call
from nilometer.values.clock import NANOSECONDS
from nilometer.values.window import Window
from nilometer_collector.alerting.function_limits import FunctionLimits
from nilometer_collector.processes import Processes, inherited

# Libraries for linear algebra reserve memory for each thread.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


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
        self._processes = Processes()

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
        self._processes.stop()

    def _run(self, call: Call, directory: Path, seconds: float) -> Outcome:
        answered = directory / "answer"
        ended = self._processes.run(
            [sys.executable, "-m", "nilometer.functions.child", str(answered)],
            msgspec.json.encode(call),
            inherited() | _ONE_THREAD,
            seconds,
            directory=directory,
        )
        failure = f"it took longer than {seconds:g} s" if ended.code is None else _ended(ended.code)
        return Outcome(_answer(answered, failure), ended.output)


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
