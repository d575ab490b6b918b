"""The part that FIXED and RANGE conditions share: a statistic of the window."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from nilometer.alert.conditions.condition import WrongField
from nilometer.alert.judgement import Judgement, Verdict
from nilometer.alert.statistic import CELL_SHARES, COUNT, STATISTICS, statistic_of
from nilometer.profile.content import Content
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample
from nilometer.values.nearest import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class OfStatistic:
    """A condition on one statistic; subclasses decide when a value is a breach.

    Attributes:
        statistic: Name of the statistic, one of `STATISTICS`.
    """

    is_distance: ClassVar[bool] = False
    unit: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    fewest: ClassVar[int] = 100

    statistic: str

    @property
    def measure(self) -> str:
        """The name of the statistic."""
        return self.statistic

    @property
    def limit_text(self) -> str:
        """The limit in words, as evidence shows it."""
        raise NotImplementedError

    @property
    def judges_any_count(self) -> bool:
        """Whether the statistic is the count itself."""
        return self.statistic == COUNT

    def breached(self, value: float) -> bool:
        """Return whether *value* is a breach."""
        raise NotImplementedError

    def wrong_statistic(self) -> WrongField | None:
        """Return the field `statistic` if no statistic has its name."""
        if self.statistic in STATISTICS:
            return None
        words = ", ".join(STATISTICS)
        return WrongField(
            "statistic", self.statistic, f"one of {words}{did_you_mean(self.statistic, STATISTICS)}"
        )

    def observations(self, content: Content) -> int:
        """Return the number of cells if the statistic is a ratio of cells, otherwise of values."""
        return content.cells if self.statistic in CELL_SHARES else content.count

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        """Judge the statistic of *sample*."""
        del references
        value = statistic_of(sample.content, self.statistic)
        if value is None:
            why = f"{self.statistic} does not exist for this summary"
            return Judgement(Verdict.NOT_JUDGED, why)
        evidence = (
            f"{self.statistic} is {value:.4g} ({self.limit_text}) over "
            f"{self.observations(sample.content)} observations"
        )
        return Judgement(Verdict.of(breached=self.breached(value)), evidence, value)
