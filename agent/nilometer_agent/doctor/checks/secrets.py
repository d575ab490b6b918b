"""Check of the files that hold secrets."""

from collections.abc import Iterator

from nilometer.settings.secrets import mode_for_others
from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level


def secrets(examined: ExaminedAgent) -> Iterator[Finding]:
    """Check whether other users can read the files of secrets."""
    for name in ("token_file", "tls_key"):
        path = getattr(examined.settings, name)
        if not path:
            continue
        mode = mode_for_others(path)
        if mode is not None:
            yield Finding(
                "secrets",
                Level.WARNING,
                f"{name} = {path} has mode {mode:04o}: other users can read it",
                f"chmod 0600 {path}",
            )
