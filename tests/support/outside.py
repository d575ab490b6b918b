"""A condition and a comparator of another package, each with an alerter that uses it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from nilometer.alert import AgainstReference, Alerter, Judgement, Verdict
from nilometer.alert.conditions import Fields, WrongField
from nilometer.compare import Comparator, Sides
from nilometer.kinds import Kinds
from nilometer.profile import Content, Reference, SummarySample
from nilometer_collector.testing import ENTITY


@dataclass(frozen=True, slots=True)
class Most:
    """A condition on the largest number of values in a window."""

    kind: ClassVar[str] = "MOST"
    is_distance: ClassVar[bool] = False
    judges_any_count: ClassVar[bool] = True
    fewest: ClassVar[int] = 1
    measure: ClassVar[str] = "values"
    unit: ClassVar[str] = ""
    reference: ClassVar[str] = ""

    threshold: float
    values_allowed: float
    note: str

    @property
    def limit_text(self) -> str:
        return f"at most {self.values_allowed:g}"

    def wrong(self) -> WrongField | None:
        if self.values_allowed < 0:
            return WrongField("values_allowed", self.values_allowed, "at least 0")
        return None

    def observations(self, content: Content) -> int:
        return content.count

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        del references
        count = sample.content.count
        return Judgement(Verdict.of(breached=self.excess(count) > 0), f"{count} values", count)

    def excess(self, value: float) -> float:
        return value - self.values_allowed

    def limit(self, value: float) -> float:
        del value
        return self.values_allowed

    def fields(self) -> Fields:
        return {
            "threshold": self.threshold,
            "values_allowed": self.values_allowed,
            "note": self.note,
        }

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        allowed = float(fields["values_allowed"])
        return cls(float(fields["threshold"]), allowed, str(fields["note"]))


def largest(sides: Sides) -> float:
    """Return the largest difference of two counts."""
    before, now = sides.counts
    return float(abs(before - now).max())


OWN = Comparator(name="largest", unit="values", distance=largest)
MOST = Alerter(entity=ENTITY, name="most", summary="input.*", condition=Most(0.5, 2.0, "few"))
LARGEST = Alerter(
    entity=ENTITY,
    name="largest",
    summary="input.*",
    condition=AgainstReference(reference="training", threshold=1.5, comparator=OWN),
    minimum_count=1,
)
OUTSIDE = Kinds(conditions=[Most], comparators=[OWN])
