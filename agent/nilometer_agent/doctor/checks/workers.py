"""Check of the connected model servers."""

from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level


def workers(examined: ExaminedAgent) -> Iterator[Finding]:
    """Check that a server is connected."""
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
        f"check that the server uses unix:{examined.settings.socket_path} (NILOMETER_AGENT), runs as "
        "the same user, and has received a request",
    )
