"""Check of event times."""

from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level


def clocks(examined: ExaminedAgent) -> Iterator[Finding]:
    """Check whether data arrived too late to be judged."""
    status = examined.status
    if status is None:
        return
    late = status.counters["windows_late"]
    if late:
        yield Finding(
            "clock",
            Level.WARNING,
            f"{late:,} windows got data after they were closed: it was stored, but not judged",
            "raise grace_seconds; check the clocks of the programs that set the event time",
        )
