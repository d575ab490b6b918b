"""Check of the OTLP export."""

from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level


def export(examined: ExaminedAgent) -> Iterator[Finding]:
    """Check that the OTLP endpoint accepts the exported metrics."""
    status = examined.status
    if status is None:
        return
    counted = status.counters
    done, failed = counted["exports"], counted["export_failures"]
    if failed:
        level = Level.WARNING if done else Level.BROKEN
        text = f"{failed:,} OTLP exports failed, {done:,} succeeded"
        remedy = "check otlp_endpoint, its protocol and headers; the agent's log has the reason"
        yield Finding("otlp", level, text, remedy)
    elif done:
        yield Finding("otlp", Level.OK, f"{done:,} exports succeeded")
    if counted["export_points_rejected"]:
        yield Finding(
            "otlp",
            Level.WARNING,
            f"{counted['export_points_rejected']:,} points were rejected by the OTLP endpoint",
            "the log of the endpoint says why",
        )
    if counted["series_overflowed"]:
        yield Finding(
            "otlp",
            Level.WARNING,
            f"{counted['series_overflowed']:,} measurements exceeded 2000 series of a metric",
            "use fewer labels or fewer columns",
        )
