"""The servers that are observed."""

from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level


def workers(examined: ExaminedAgent) -> Iterator[Finding]:
    """Whether a server is connected."""
    status = examined.status
    if status is None:
        return
    count = len(status.workers)
    if count:
        noun = "worker" if count == 1 else "workers"
        yield Finding("workers", Level.OK, f"{count} {noun} connected")
        return
    yield Finding(
        "workers",
        Level.WARNING,
        "no server is connected",
        f"see that the server finds unix:{examined.settings.socket_path} (NILOMETER_AGENT), runs as "
        "the same user, and has had a request",
    )
