"""What the doctor finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        check: What was looked at.
        level: How bad it is.
        text: What was found.
        remedy: What to do; empty where there is nothing to do.
    """

    check: str
    level: Level
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        found = {"check": self.check, "level": self.level.value, "text": self.text}
        return {**found, "remedy": self.remedy} if self.remedy else found


def verdict(findings: Sequence[Finding]) -> str:
    """The last line."""
    bad = sum(one.level is Level.BROKEN for one in findings)
    warned = sum(one.level is Level.WARNING for one in findings)
    if not bad and not warned:
        return "nothing is wrong"
    return f"{bad} broken, {warned} to be looked at"
