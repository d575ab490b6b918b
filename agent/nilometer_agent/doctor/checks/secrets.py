"""Files that hold secrets."""

from collections.abc import Iterator

from nilometer.settings.secrets import mode_for_others
from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level


def secrets(examined: ExaminedAgent) -> Iterator[Finding]:
    """Whether others can read them."""
    for name in ("token_file", "tls_key"):
        path = getattr(examined.settings, name)
        if not path:
            continue
        mode = mode_for_others(path)
        if mode is not None:
            yield Finding(
                "secrets",
                Level.WARNING,
                f"{name} = {path} has mode {mode:04o}: others can read it",
                f"chmod 0600 {path}",
            )
