"""OTLP export."""

from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level


def export(examined: ExaminedAgent) -> Iterator[Finding]:
    """Whether metrics are taken by the far side."""
    status = examined.status
    if status is None:
        return
    counted = status.counters
    done, failed = counted["exports"], counted["export_failures"]
    if failed:
        level = Level.WARNING if done else Level.BROKEN
        text = f"{failed:,} OTLP exports failed, {done:,} were taken"
        remedy = "see otlp_endpoint, its protocol and headers; the agent's log has the reason"
        yield Finding("otlp", level, text, remedy)
    elif done:
        yield Finding("otlp", Level.OK, f"{done:,} exports were taken")
    if counted["export_points_rejected"]:
        yield Finding(
            "otlp",
            Level.WARNING,
            f"{counted['export_points_rejected']:,} points were refused by the far side",
            "its log says why",
        )
    if counted["series_overflowed"]:
        yield Finding(
            "otlp",
            Level.WARNING,
            f"{counted['series_overflowed']:,} measurements were over 2000 series of a metric",
            "fewer labels, or fewer columns",
        )
