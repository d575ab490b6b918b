"""Findings of the doctor."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's output.

    Attributes:
        check: Name of the check.
        level: Severity of the finding.
        text: Description of what was found.
        remedy: Action for the user; empty if no action is needed.
    """

    check: str
    level: Level
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """The finding as a JSON object."""
        found = {"check": self.check, "level": self.level.value, "text": self.text}
        return {**found, "remedy": self.remedy} if self.remedy else found


def verdict(findings: Sequence[Finding]) -> str:
    """Return the last line of the output."""
    bad = sum(one.level is Level.BROKEN for one in findings)
    warned = sum(one.level is Level.WARNING for one in findings)
    if not bad and not warned:
        return "nothing is wrong"
    return f"broken: {bad}, warnings: {warned}"
