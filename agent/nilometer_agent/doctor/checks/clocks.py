"""Event time against windows."""

from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level


def clocks(examined: ExaminedAgent) -> Iterator[Finding]:
    """Whether windows came too late to be judged."""
    status = examined.status
    if status is None:
        return
    late = status.counters["windows_late"]
    if late:
        yield Finding(
            "clock",
            Level.WARNING,
            f"{late:,} windows came after they had been closed: stored, not judged again",
            "raise grace_seconds; see the clocks of whoever sets the event time",
        )
