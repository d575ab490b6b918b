"""The judgement of a condition on one window: a verdict and its reason."""

from dataclasses import dataclass
from enum import Enum

from nilometer.alert.reason import Reason


class Verdict(Enum):
    """The outcome of an alerter on one window."""

    FINE = "FINE"
    BREACH = "BREACH"
    NOT_JUDGED = "NOT_JUDGED"  # too few observations, or nothing to compare with

    @classmethod
    def of(cls, *, breached: bool) -> "Verdict":
        """Return BREACH if *breached*, else FINE."""
        return cls.BREACH if breached else cls.FINE


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its evidence.

    Attributes:
        verdict: Outcome of the judgement.
        evidence: Reason for the verdict, one sentence.
        value: Measured value; 0 if nothing was measured.
        reference_digest: Digest of the reference version; empty if no reference was used.
        reason: Reason why the window was not judged; not used for other verdicts.
        other_way: Whether the values moved in the direction that is no breach, however far.
    """

    verdict: Verdict
    evidence: str
    value: float = 0.0
    reference_digest: str = ""
    reason: Reason = Reason.NOTHING_TO_JUDGE
    other_way: bool = False
