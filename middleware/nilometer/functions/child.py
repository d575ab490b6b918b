"""The process in which a collector calls a function of a user.

It reads one `Call` from standard input, limits its own memory, processor time and files, calls the
function, and writes the reports, or the reason why there are none, to the file that the first
argument names. What the function prints does not mix with the answer.
"""

import errno
import importlib
import math
import resource
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from nilometer.client.client import Client
from nilometer.client.report import MOST_REPORTS, Report
from nilometer.client.samples import NoSamples
from nilometer.functions.interval import Interval

MOST_REASON_CHARACTERS = 512
MOST_FILE_BYTES = 1 << 20  # most bytes of each file that the process writes


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A function to call, and the interval that it is asked for.

    Attributes:
        function: Function as ``package.module:function``.
        entity: Name of the entity.
        alerter: Name of the alerter.
        start: Start of the interval, Unix seconds.
        end: End of the interval, Unix seconds.
        url: URL of the collector's API.
        token_file: File with a token for it; empty for none.
        tls_ca: CA certificates to trust, PEM; empty for those of the machine.
        memory_bytes: Most address space of the process, in bytes.
        seconds: Most processor time of the process, in seconds.
    """

    function: str
    entity: str
    alerter: str
    start: float
    end: float
    url: str
    token_file: str
    tls_ca: str
    memory_bytes: int
    seconds: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the process answers: reports, or the reason why there are none."""

    reports: tuple[Report, ...] = ()
    failure: str = ""


def main(answer: Path) -> int:
    """Answer the call on standard input in the file *answer*; return 0."""
    call = msgspec.json.decode(sys.stdin.buffer.read(), type=Call)
    resource.setrlimit(resource.RLIMIT_AS, (call.memory_bytes, call.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (call.seconds, call.seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_FILE_BYTES, MOST_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        written = msgspec.json.encode(Answer(reports=_reports(call)))
    except MemoryError:
        written = _failure(f"it needs more than {call.memory_bytes >> 20} MiB of memory")
    except BaseException as error:  # also SystemExit of the user's code: the reason must be known
        written = _failure(_reason(error))
        with suppress(OSError):  # what it printed may have reached the limit of files
            traceback.print_exc()
    answer.write_bytes(written)
    return 0


def _reason(error: BaseException) -> str:
    """Return why there are no reports, a clause whose subject is the function."""
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return f"it printed or wrote more than {MOST_FILE_BYTES >> 20} MiB into one file"
    return f"it raised {type(error).__name__}: {error}"


def _reports(call: Call) -> tuple[Report, ...]:
    function = _function(call.function)
    with Client(call.url, token_file=call.token_file, tls_ca=call.tls_ca) as client:
        interval = Interval(
            entity=call.entity,
            alerter=call.alerter,
            start=datetime.fromtimestamp(call.start, UTC),
            end=datetime.fromtimestamp(call.end, UTC),
            client=client,
        )
        try:
            found = function(interval)
        except NoSamples as error:  # which is no fault of the function
            return (Report(status="NO_DATA", evidence=str(error)),)
    reports = (found,) if isinstance(found, Report) else tuple(found)
    if not all(isinstance(one, Report) for one in reports):
        raise TypeError("it must return a nilometer.functions.Report, or a list of them")
    if not 1 <= len(reports) <= MOST_REPORTS:
        raise ValueError(f"it must return 1 to {MOST_REPORTS} reports, not {len(reports)}")
    for one in reports:
        if not math.isfinite(one.value):  # JSON has no other numbers
            raise ValueError(f"value = {one.value}: must be a finite number")
    # A Struct is not checked when it is made, so it is checked here, where the error has a place.
    return msgspec.convert(msgspec.to_builtins(reports), tuple[Report, ...])


def _function(name: str) -> Callable[[Interval], Report | Sequence[Report]]:
    module, _, attribute = name.partition(":")
    found: Callable[[Interval], Report | Sequence[Report]] = getattr(
        importlib.import_module(module), attribute
    )
    return found


def _failure(reason: str) -> bytes:
    return msgspec.json.encode(Answer(failure=reason[:MOST_REASON_CHARACTERS]))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
