"""What a condition says of one window: a verdict and the reason."""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What an alerter says of one window."""

    FINE = "FINE"
    BREACH = "BREACH"
    NOT_JUDGED = "NOT_JUDGED"  # too few observations, or nothing to compare with

    @classmethod
    def of(cls, *, breached: bool) -> "Verdict":
        """BREACH or FINE."""
        return cls.BREACH if breached else cls.FINE


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and what led to it.

    Attributes:
        verdict: The outcome.
        evidence: One sentence for a human.
        value: What was measured; 0 where nothing was.
        reference_digest: Which version of the reference was compared with; or empty.
    """

    verdict: Verdict
    evidence: str
    value: float = 0.0
    reference_digest: str = ""
