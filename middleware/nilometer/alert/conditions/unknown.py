"""A stored condition of a kind, comparator or statistic that is not registered in this process.

This happens if an alerter was stored with an extension that is not installed any more.
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
    """Keeps and shows the stored parameters, but judges no window.

    Attributes:
        kind: Kind as it was stored.
        parameters: Parameters as they were stored.
        why: Reason why the condition cannot be read, one sentence.
    """

    is_distance: ClassVar[bool] = False
    judges_any_count: ClassVar[bool] = True
    fewest: ClassVar[int] = 1
    unit: ClassVar[str] = ""

    kind: str
    parameters: Fields = field(hash=False)
    why: str

    @property
    def measure(self) -> str:
        """The stored comparator or statistic; the kind if it has neither."""
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
        """A text that says that the limit is unknown."""
        return "limit not known"

    def wrong(self) -> None:
        """Return None, because the parameters were checked when they were stored."""

    def observations(self, content: Content) -> int:
        """Return the number of values of *content*."""
        return content.count

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        """Return NOT_JUDGED with the reason."""
        del sample, references
        return Judgement(Verdict.NOT_JUDGED, self.why)

    def excess(self, value: float) -> float:
        """Return *value*, because larger values count as worse."""
        return value

    def limit(self, value: float) -> float:
        """Return the stored threshold; 0 without one."""
        del value
        return self.threshold or 0.0

    def fields(self) -> Fields:
        """Return the parameters by name."""
        return self.parameters
