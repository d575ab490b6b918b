"""REFERENCE: compares the distance from a reference with a threshold."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from nilometer.alert.conditions.condition import Fields, WrongField
from nilometer.alert.judgement import Judgement, Verdict
from nilometer.compare.comparator import Comparator
from nilometer.compare.comparison import Comparison, NotCompared, compare
from nilometer.compare.psi import PSI
from nilometer.compare.registry import comparator_named
from nilometer.profile.content import Content
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstReference:
    """A column that must stay close to the same column of a reference.

    Attributes:
        reference: Name of the reference.
        threshold: Largest distance that is not a breach, in the unit of the comparator; positive.
        comparator: Comparator that computes the distance.
    """

    kind: ClassVar[str] = "REFERENCE"
    is_distance: ClassVar[bool] = True
    judges_any_count: ClassVar[bool] = False

    reference: str
    threshold: float
    comparator: Comparator = PSI

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
        return f"threshold {self.threshold:g}"

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed."""
        if not self.reference:
            return WrongField("reference", self.reference, "a reference name")
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            return WrongField("threshold", self.threshold, "a positive number")
        return None

    def observations(self, content: Content) -> int:
        """Return the number of compared values, or of cells if the comparator compares cells."""
        return content.cells if self.comparator.of_cells else content.count

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        """Judge *sample* against the reference in *references*."""
        reference = references.get(self.reference)
        if reference is None:
            return Judgement(Verdict.NOT_JUDGED, f"there is no reference {self.reference!r}")
        column = reference.columns.get(sample.summary)
        if column is None:
            why = f"reference {self.reference!r} has no {sample.summary}"
            return Judgement(Verdict.NOT_JUDGED, why, reference_digest=reference.digest)
        comparison = compare(self.comparator, column, sample.content)
        if isinstance(comparison, NotCompared):
            return Judgement(Verdict.NOT_JUDGED, comparison.why, reference_digest=reference.digest)
        return Judgement(
            Verdict.of(breached=comparison.value > self.threshold),
            self._evidence(reference.name, comparison, sample.content.count),
            comparison.value,
            reference.digest,
        )

    def _evidence(self, reference: str, comparison: Comparison, count: int) -> str:
        unit = f" {self.unit}" if self.unit else ""
        what = "cells" if self.comparator.of_cells else "values"
        return (
            f"{self.comparator.title} from {reference} is {comparison.value:.3g}{unit} "
            f"({self.limit_text}) over {count} {what}; "
            f"{comparison.largest_bin} holds {comparison.share_now:.1%} of them, "
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
        return {
            "reference": self.reference,
            "comparator": self.comparator.name,
            "threshold": self.threshold,
        }

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """Return the condition with these parameters."""
        return cls(
            reference=str(fields["reference"]),
            threshold=float(fields["threshold"]),
            comparator=comparator_named(str(fields["comparator"]) or PSI.name),
        )
