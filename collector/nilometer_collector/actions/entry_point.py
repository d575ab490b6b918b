"""Calls the function of a Python target in a process of its own, for a limited time.

A function that fails or hangs cannot harm the collector, and it does not see the collector's settings.
It should start the work, and not wait for its end.
"""

import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress

from nilometer_collector.actions.called import NO_FUNCTION
from nilometer_collector.actions.forms import Ordering
from nilometer_collector.channels.plain import printable
from nilometer_collector.channels.posting import Answer, Outcome, as_json

ENTRY_POINT_SECONDS = 20.0
MOST_OUTPUT = 2000  # characters of the output that a log line shows

log = logging.getLogger("nilometer.collector")


def call(ordering: Ordering) -> Answer:
    """Call the function of the target with the order. Never raises."""
    named = ordering.setting("entry_point")
    child = subprocess.Popen(
        [sys.executable, "-m", "nilometer_collector.actions.called", named],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={k: v for k, v in os.environ.items() if not k.startswith("NILOMETER_")},
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(
            as_json(ordering.order.content()), timeout=ENTRY_POINT_SECONDS
        )
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        reason = f"the function did not return within {ENTRY_POINT_SECONDS:g} s"
        return Answer(outcome=Outcome.FAILED, reason=reason, may_have_arrived=True)
    if child.returncode == 0:
        return Answer(outcome=Outcome.DELIVERED)
    log.warning(
        "the function of a target failed: see its output",
        extra={"target": ordering.target.name, "output": _end_of(errors)},
    )
    if child.returncode == NO_FUNCTION:
        return Answer(outcome=Outcome.REFUSED, reason="the function does not exist")
    lines = output.decode("utf-8", "replace").split()
    reason = f"the function raised {printable(lines[-1][:64])}" if lines else "the function ended"
    return Answer(outcome=Outcome.FAILED, reason=reason, may_have_arrived=True)


def _end_of(output: bytes) -> str:
    return printable(output.decode("utf-8", "replace")[-MOST_OUTPUT:])
