"""The part that REFERENCE, PREVIOUS, BASELINE and OTHER share: a distance and its threshold."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from nilometer.alert.conditions.condition import Fields, WrongField
from nilometer.alert.judgement import Judgement, Verdict
from nilometer.alert.reason import Reason
from nilometer.compare.comparator import Comparator, Counted
from nilometer.compare.comparison import Comparison, NoDistance, NotCompared, compare
from nilometer.compare.psi import PSI
from nilometer.compare.registry import comparator_named
from nilometer.profile.content import Content
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample
from nilometer.values.nearest import not_one_of

_REASONS = {
    NoDistance.UNDEFINED: Reason.NOTHING_TO_JUDGE,
    NoDistance.TOO_FEW: Reason.TOO_FEW,
    NoDistance.FAILED: Reason.FAILED,
}


class Direction(Enum):
    """The direction of a change that can be a breach."""

    EITHER = ""
    UP = "up"
    DOWN = "down"

    @classmethod
    def _missing_(cls, value: object) -> "Direction":
        raise ValueError(not_one_of("direction", value, (one.value for one in cls)))

    def includes(self, rise: float) -> bool:
        """Return whether a change by *rise*, negative for a fall, is in this direction."""
        match self:
            case Direction.EITHER:
                return True
            case Direction.UP:
                return rise > 0
            case Direction.DOWN:
                return rise < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """A column that must stay close to another one; subclasses say which one.

    Attributes:
        threshold: Largest distance that is not a breach, in the unit of the comparator; positive.
        comparator: Comparator that computes the distance.
        direction: Direction in which the numbers, or the share of a rate, must move for a breach.
    """

    kind: ClassVar[str]
    is_distance: ClassVar[bool] = True
    judges_any_count: ClassVar[bool] = False
    missing: ClassVar[Reason]  # reason if there is nothing to compare with

    threshold: float
    comparator: Comparator = PSI
    direction: Direction = Direction.EITHER

    @property
    def side(self) -> str:
        """The name of the other side, under which `judge` finds it."""
        raise NotImplementedError

    @property
    def measure(self) -> str:
        """The comparator's name."""
        return self.comparator.name

    @property
    def unit(self) -> str:
        """The comparator's unit."""
        return self.comparator.unit

    @property
    def fewest(self) -> int:
        """The smallest count of a window for which the comparator has a distance."""
        return self.comparator.fewest.current

    @property
    def limit_text(self) -> str:
        """The threshold in words, as evidence shows it."""
        way = f" {self.direction.value}" if self.direction is not Direction.EITHER else ""
        return f"threshold {self.threshold:g}{way}"

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed."""
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            return WrongField("threshold", self.threshold, "a positive number")
        return None

    def observations(self, content: Content) -> int:
        """Return the number of compared values, or of cells if the comparator compares cells."""
        if isinstance(content, FeatureProfile):
            return self.comparator.counted.of(content)
        return content.count

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        """Judge *sample* against the other side in *references*."""
        reference = references.get(self.side)
        if reference is None:
            why = f"there is no {self.other_text}"
            return Judgement(Verdict.NOT_JUDGED, why, reason=self.missing)
        digest = reference.digest
        column = reference.columns.get(sample.summary)
        if column is None:
            why = f"{self.other_text} has no {sample.summary}"
            return Judgement(Verdict.NOT_JUDGED, why, 0.0, digest, self.missing)
        comparison = compare(self.comparator, column, sample.content)
        if isinstance(comparison, NotCompared):
            reason = _REASONS[comparison.reason]
            return Judgement(Verdict.NOT_JUDGED, comparison.why, 0.0, digest, reason)
        return self._judged(comparison, self.observations(sample.content), digest)

    @property
    def other_text(self) -> str:
        """The other side in words."""
        return f"reference {self.side!r}"

    def _judged(self, comparison: Comparison, count: int, digest: str) -> Judgement:
        evidence = self._evidence(comparison, count)
        if comparison.rise is None and self.direction is not Direction.EITHER:
            what = "vectors" if self.comparator.counted is Counted.VECTORS else "names"
            why = f"{self.comparator.title} of {what} has no direction"
            return Judgement(Verdict.NOT_JUDGED, why, 0.0, digest)
        is_far = comparison.value > self.threshold
        other_way = not self.direction.includes(comparison.rise or 0.0)
        return Judgement(
            Verdict.of(breached=is_far and not other_way),
            evidence,
            comparison.value,
            digest,
            other_way=other_way,
        )

    def _evidence(self, comparison: Comparison, count: int) -> str:
        unit = f" {self.unit}" if self.unit else ""
        what = self.comparator.counted.value
        told = (
            f"{self.comparator.title} from {self.side} is {comparison.value:.3g}{unit} "
            f"({self.limit_text}) over {count} {what}"
        )
        if not comparison.largest_bin:
            return told
        return (
            f"{told}; {comparison.largest_bin} holds {comparison.share_now:.1%} of them, "
            f"was {comparison.share_before:.1%}"
        )

    def excess(self, value: float) -> float:
        """Return by how much *value* is above the threshold."""
        return value - self.threshold

    def limit(self, value: float) -> float:
        """Return the threshold."""
        del value
        return self.threshold

    def fields(self) -> Fields:
        """Return the parameters by name."""
        either = self.direction is Direction.EITHER
        return {
            "comparator": self.comparator.name,
            "threshold": self.threshold,
            **({} if either else {"direction": self.direction.value}),
        }


def comparator_of(fields: Fields) -> Comparator:
    """Return the comparator that *fields* name; PSI if they name none."""
    return comparator_named(str(fields.get("comparator") or PSI.name))


def direction_of(fields: Fields) -> Direction:
    """Return the direction that *fields* name; EITHER if they name none."""
    return Direction(fields.get("direction") or "")
