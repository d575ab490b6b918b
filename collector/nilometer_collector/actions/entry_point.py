"""Calls the function of a Python target in a process of its own, for a limited time.

A function that fails or hangs cannot harm the collector, and it does not see the collector's settings.
It should start the work, and not wait for its end: a job that it has started goes on after it returns.
"""

import logging
import sys

from nilometer.values.plain_text import printable
from nilometer_collector.actions.called import NO_FUNCTION
from nilometer_collector.actions.forms import Ordering
from nilometer_collector.channels.posting import Answer, Outcome, as_json
from nilometer_collector.processes import Processes, inherited

ENTRY_POINT_SECONDS = 20.0

log = logging.getLogger("nilometer.collector")


def call(ordering: Ordering, processes: Processes) -> Answer:
    """Call the function of the target with the order.

    Args:
        ordering: Target and order.
        processes: Where the process runs.
    """
    ended = processes.run(
        [
            sys.executable,
            "-m",
            "nilometer_collector.actions.called",
            ordering.setting("entry_point"),
        ],
        as_json(ordering.order.content()),
        inherited(),
        ENTRY_POINT_SECONDS,
        keeps_jobs=True,
    )
    if ended.code is None:
        reason = f"the function did not return within {ENTRY_POINT_SECONDS:g} s"
        return Answer(outcome=Outcome.FAILED, reason=reason, may_have_arrived=True)
    if ended.code == 0:
        return Answer(outcome=Outcome.DELIVERED)
    log.warning(
        "the function of a target failed: see its output",
        extra={"target": ordering.target.name, "output": printable(ended.output)},
    )
    if ended.code == NO_FUNCTION:
        return Answer(outcome=Outcome.REFUSED, reason="the function does not exist")
    lines = ended.output.split()
    is_raised = bool(lines) and ended.code == 1
    reason = (
        f"the function raised {printable(lines[-1][:64])}" if is_raised else "the function ended"
    )
    # A function that raised says so, and is called again. One that was ended may have begun the work.
    return Answer(outcome=Outcome.FAILED, reason=reason, may_have_arrived=not is_raised)
