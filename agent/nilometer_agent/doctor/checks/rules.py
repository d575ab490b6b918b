"""Check of the rules that tell predictions from other requests."""

from collections.abc import Iterator

from nilometer.handoff.settings import PREFIX, CaptureSettings
from nilometer.settings.settings import checked, given
from nilometer.values.errors import ConfigError
from nilometer.values.reasons import UndecodableReason
from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level

_ENTITY = {"entity": "unnamed"}  # placeholder, because only the rules are checked here


def rules(examined: ExaminedAgent) -> Iterator[Finding]:
    """Report the rules of the settings file and of ``NILOMETER_*``, and whether they are valid."""
    try:
        set_here = given(CaptureSettings, prefix=PREFIX, environment=examined.environment)
        settings = checked(CaptureSettings, _ENTITY | set_here)
    except ConfigError as error:
        yield Finding("rules", Level.BROKEN, str(error), "correct the setting of the middleware")
        return
    for name, texts in (("include", settings.include), ("exclude", settings.exclude)):
        where = "" if name in set_here else " (the default; the server's code may set others)"
        yield Finding("rules", Level.OK, f"{name}: {', '.join(texts) or 'no rule'}{where}")
    status = examined.status
    if status is None:
        return
    count = status.undecodable[UndecodableReason.NOT_INFERENCE.value]
    if count and not status.counters["profiled"]:
        yield Finding(
            "rules",
            Level.WARNING,
            f"none of {count:,} requests was a prediction: they had no body that a decoder takes, or "
            "they manage a server",
            "include them with a rule (docs/capture.md), or register a decoder",
        )
