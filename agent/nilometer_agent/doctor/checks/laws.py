"""Check of the agent's own counters."""

from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.measure.laws import broken


def laws(examined: ExaminedAgent) -> Iterator[Finding]:
    """Check that the agent's counters agree with each other."""
    if not examined.looks:
        return
    breaches = broken({**look.counters, **look.gauges} for look in examined.looks)
    for breach in breaches:
        remedy = "this is a bug of nilometer: please report it with this output"
        yield Finding("accounts", Level.BROKEN, str(breach), remedy)
    if not breaches:
        yield Finding(
            "accounts", Level.OK, "the counters of every hop add up: nothing is lost unnoticed"
        )
