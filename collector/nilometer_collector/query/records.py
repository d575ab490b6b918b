"""What questions to the store ask and answer. Times are Unix nanoseconds, UTC."""

from collections.abc import Sequence
from dataclasses import dataclass

from nilometer.alert import AlertStatus
from nilometer.profile import DataType, Reference, ReferenceColumn, SummarySample
from nilometer.values.entity import Role
from nilometer.values.labels import LabelFilter
from nilometer_collector.limits.bounds import LAST_NS

EVERY_LABEL = LabelFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRecord:
    """A monitored entity and how it is.

    Attributes:
        health: ALERTING while an episode is open; LEARNING with data but no alerter.
        summaries: How many it has.
        observations: Requests seen over all windows.
        first_start_ns: Start of the oldest window; None without data.
        last_end_ns: End of the newest window; None without data.
        open_episodes: How many there are.
        references: Names of the current ones, ascending.
    """

    name: str
    health: AlertStatus
    summaries: int
    observations: int
    first_start_ns: int | None
    last_end_ns: int | None
    open_episodes: int
    references: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRecord:
    """A named series of an entity.

    Attributes:
        role: None for the service summary.
        observations: Requests seen over all windows.
        last_end_ns: End of the newest window.
        labels: Every key with its values, sorted.
    """

    entity: str
    name: str
    data_type: DataType
    role: Role | None
    health: AlertStatus
    observations: int
    last_end_ns: int
    labels: dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesQuestion:
    """Which samples are wanted.

    Attributes:
        labels: Which label sets take part.
        start_ns: Windows that end after it.
        end_ns: Windows that start before it.
        step_ns: Length of the aligned windows to merge into; None keeps them as they are.
        reference: Name of the reference to compare with; None compares with nothing.
    """

    entity: str
    summary: str
    labels: LabelFilter = EVERY_LABEL
    start_ns: int = 0
    end_ns: int = LAST_NS
    step_ns: int | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSample:
    """A merged sample and its distances from the reference; None where there is none.

    Attributes:
        psi: Debiased, in nats.
        ks: 0 to 1.
    """

    sample: SummarySample
    psi: float | None
    ks: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesAnswer:
    """The windows of one summary.

    Attributes:
        samples: Oldest window first.
        reference: The reference that was asked for.
        column: The reference's distribution of the summary; None where it has none.
    """

    samples: Sequence[ComparedSample]
    reference: Reference | None
    column: ReferenceColumn | None
