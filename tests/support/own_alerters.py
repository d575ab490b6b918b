"""Functions of a user that a collector runs in the tests."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from nilometer.client.samples import NoSamples
from nilometer.functions import Interval, Report


def stored(interval: Interval) -> list[Report]:
    """Report what the collector has stored: the median of the amount over all times."""
    amount = interval.client.entity(interval.entity).summary("input.amount")
    found = amount.samples(start=0, end=interval.end).merge()
    median = found.quantile(0.5)
    told = f"the median of {found.count} amounts is {median:g}"
    return [Report(status="ALERTING" if median > 5 else "OK", value=median, evidence=told)]


def raising(_: Interval) -> Report:
    """Raise an error."""
    raise LookupError("no table of holidays")


def finding_none(_: Interval) -> Report:
    """Ask for samples where there are none."""
    raise NoSamples("no samples of this hour")


def hanging(_: Interval) -> Report:
    """Wait longer than any limit."""
    time.sleep(600)
    raise AssertionError


def eating(_: Interval) -> Report:
    """Take a gibibyte."""
    return Report(status="OK", evidence=str(len(bytearray(1 << 30))))


def leaving(_: Interval) -> Report:
    """End the process."""
    os._exit(3)


def talking(_: Interval) -> str:
    """Answer something else than a report."""
    return "fine"


def shouting(_: Interval) -> Report:
    """Print more than a file may hold."""
    print("x" * (3 << 20), flush=True)
    return Report(status="OK", evidence="printed")


def unmeasured(_: Interval) -> Report:
    """Report a value that is no number."""
    return Report(status="OK", evidence="nothing", value=float("nan"))


def secrets(_: Interval) -> Report:
    """Report the names of the variables that might hold secrets."""
    names = sorted(name for name in os.environ if name.startswith("NILOMETER"))
    return Report(status="OK", evidence=f"variables: {names}")


def leaving_quietly(_: Interval) -> Report:
    """End the process as if all were well."""
    os._exit(0)


def endless(_: Interval) -> Iterator[Report]:
    """Report for ever."""
    while True:
        yield Report(status="OK", evidence="again")


def unspeakable(_: Interval) -> Report:
    """Raise an error with characters that no database may hold."""
    raise ValueError("\0 \ud800 \u202e")


def forging(_: Interval) -> Report:
    """Write an answer of its own, and end."""
    Path(sys.argv[1]).write_text('{"reports": [{"status": "ON FIRE"}]}')
    os._exit(0)
