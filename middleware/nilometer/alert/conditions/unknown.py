"""A stored condition that this process cannot read: no such kind, comparator or statistic is here.

It happens when a rule was stored while an extension was installed, and the extension is gone now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from nilometer.alert.conditions.condition import Fields
from nilometer.alert.judgement import Judgement, Verdict
from nilometer.profile.content import Content
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownCondition:
    """Holds what was stored, shows it, and judges nothing.

    Attributes:
        kind: As it was stored.
        parameters: As they were stored.
        why: What is not known, in one sentence.
    """

    is_distance: ClassVar[bool] = False
    judges_any_count: ClassVar[bool] = True
    unit: ClassVar[str] = ""

    kind: str
    parameters: Fields = field(hash=False)
    why: str

    @property
    def measure(self) -> str:
        """The stored comparator or statistic; the kind where it has neither."""
        named = self.parameters.get("comparator") or self.parameters.get("statistic")
        return str(named or self.kind)

    @property
    def threshold(self) -> float | None:
        """The stored parameter of this name."""
        found = self.parameters.get("threshold")
        return None if found is None else float(found)

    @property
    def reference(self) -> str:
        """The stored parameter of this name."""
        return str(self.parameters.get("reference", ""))

    @property
    def limit_text(self) -> str:
        """That the limit is not known."""
        return "limit not known"

    def wrong(self) -> None:
        """Nothing: what was stored was checked then."""

    def observations(self, content: Content) -> int:
        """All of *content*."""
        return content.count

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        """No verdict, and why."""
        del sample, references
        return Judgement(Verdict.NOT_JUDGED, self.why)

    def excess(self, value: float) -> float:
        """*value*: the larger is taken for the worse."""
        return value

    def limit(self, value: float) -> float:
        """The stored threshold; 0 without one."""
        del value
        return self.threshold or 0.0

    def fields(self) -> Fields:
        """The parameters by name."""
        return self.parameters
