"""What a collector hands to its agents, so that they can judge while they cannot reach it."""

from dataclasses import dataclass, replace

from nilometer.alert.calibrated.baseline import Baseline
from nilometer.alert.calibrated.counting import SummaryColumn, is_pooled
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.group import Subject
from nilometer.alert.calibrated.holidays import Holidays
from nilometer.alert.calibrated.judge import Judge
from nilometer.alert.calibrated.model import Judged
from nilometer.alert.calibrated.packing import small, unpacked
from nilometer.alert.calibrated.slots import BASE_SECONDS, DAY_SECONDS
from nilometer.alert.calibrated.tolerance import Tolerance
from nilometer.values.time_zone import zone_named

MOST_ENTITIES = 8  # entities that one agent judges; further ones are left to the collector
MOST_BYTES = 1 << 20  # largest packed size for one entity
MOST_UNPACKED_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedSubject:
    """A summary and label set that an agent may judge; see `nilometer.alert.calibrated.group`.

    Attributes:
        key: Summary and label set.
        counted: How its cells are counted.
        baseline: Normal values.
        tolerance: How far it may be from normal.
        factor: Factor of every tolerance.
        length: Length of its windows in base windows.
        share: Share of the entity's budget.
    """

    key: PartKey
    counted: SummaryColumn
    baseline: Baseline
    tolerance: Tolerance
    factor: float
    length: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """The baselines of one entity, and what else its judge needs.

    Attributes:
        subjects: Summaries and label sets that may be judged. Those with an open episode are left
            out, because somebody knows of it.
        time_zone: IANA name of the time zone of the baselines.
        holidays: Dates such as ``2026-04-03``, and days of every year such as ``12-25``.
        budget_days: Mean number of days between false alarms of the entity.
        agents: Number of agents that share the budget, rounded up to a power of two.
        episode: Number that the entity's next episode gets.
        opened: Number of the newest episode that opened; 0 before the first.
    """

    subjects: tuple[HandedSubject, ...]
    time_zone: str
    holidays: tuple[str, ...]
    budget_days: float
    agents: int
    episode: int
    opened: int = 0

    def to_bytes(self) -> bytes:
        """Return the packed form: at most `MOST_BYTES`, or nothing.

        Label sets are left out if all subjects together are too large.
        """
        return small(self, MOST_BYTES) or small(self.without_label_sets(), MOST_BYTES)

    def without_label_sets(self) -> "HandedOver":
        """Return a copy in which only all traffic of each summary is judged."""
        return replace(self, subjects=tuple(one for one in self.subjects if is_pooled(one.key)))

    @classmethod
    def from_bytes(cls, content: bytes) -> "HandedOver":
        """Return the value in a packed form.

        Raises:
            ValueError: If the bytes are not such a value, or are too large.
        """
        return unpacked(content, cls, MOST_UNPACKED_BYTES)

    @property
    def columns(self) -> dict[str, SummaryColumn]:
        """How the cells of each summary are counted."""
        return {one.key.summary: one.counted for one in self.subjects}

    def judge(self) -> Judge:
        """Return a judge of one agent. All agents together keep the budget of the entity.

        Raises:
            ValueError: If this machine does not know the time zone.
            ConfigError: If a holiday is not a day of the calendar.
        """
        subjects = [
            Subject(
                key=one.key,
                judged=Judged(
                    column=one.counted.column,
                    baseline=one.baseline,
                    tolerance=one.tolerance,
                    factor=one.factor,
                ),
                length=one.length,
                share=one.share,
            )
            for one in self.subjects
        ]
        windows = self.budget_days * (DAY_SECONDS // BASE_SECONDS)
        return Judge(
            subjects,
            zone=zone_named(self.time_zone),
            holidays=Holidays(self.holidays),
            budget=windows * self.agents,
        )
