"""Parameters and results of queries over the store. Times are Unix nanoseconds, UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nilometer.alert import AlertStatus
from nilometer.compare import KS, PSI, Comparator, Comparison, NotCompared
from nilometer.profile import DataType, Reference, ReferenceColumn, SummarySample
from nilometer.values.entity import Role
from nilometer.values.labels import LabelFilter
from nilometer_collector.limits.bounds import LAST_NS
from nilometer_collector.store import EntityDeclaration, LoggedType

EVERY_LABEL = LabelFilter()
MAX_ENTITIES = 1000  # most entities in one response
MAX_NEWEST = 100  # most summaries in one response with their newest windows


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRecord:
    """A monitored entity and its health.

    Attributes:
        health: ALERTING while an episode is open; LEARNING with data but no alerter.
        summaries: Number of its summaries.
        observations: Requests seen over all windows.
        first_start_ns: Start of the oldest window; None without data.
        last_end_ns: End of the newest window; None without data.
        open_episodes: Number of its open episodes.
        references: Names of its current references, ascending.
        declaration: Declaration by a user, or the defaults.
        version: Version of the declaration; 0 without one.
        updated_ns: Wall time of the last change of the declaration; None without one.
        read_by: Names of the entities that read from it, ascending.
    """

    name: str
    health: AlertStatus
    summaries: int
    observations: int
    first_start_ns: int | None
    last_end_ns: int | None
    open_episodes: int
    references: list[str]
    declaration: EntityDeclaration
    version: int
    updated_ns: int | None
    read_by: list[str]


class EntityPage(NamedTuple):
    """A page of the list of entities.

    Attributes:
        entities: Entities, sorted by name.
        last: Last name of the page; None on the last page.
    """

    entities: Sequence[EntityRecord]
    last: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRecord:
    """A named series of an entity.

    Attributes:
        role: Role of the feature; None for the summary `service`.
        observations: Requests seen over all windows.
        last_end_ns: End of the newest window.
        window_ns: Length of the window that arrived last.
        labels: Every key with its values, sorted.
        logged: Type of a summary that users log; None for other summaries.
    """

    entity: str
    name: str
    data_type: DataType
    role: Role | None
    health: AlertStatus
    observations: int
    last_end_ns: int
    window_ns: int
    labels: dict[str, list[str]]
    logged: LoggedType | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesQuestion:
    """Selection of samples of one summary.

    Attributes:
        labels: Filter of the label sets.
        start_ns: Time after which windows must end.
        end_ns: Time before which windows must start.
        step_ns: Length of the aligned windows to merge into; None does not merge windows.
        reference: Name of the reference to compare with; None for no comparison.
        comparators: Comparators of the comparison.
    """

    entity: str
    summary: str
    labels: LabelFilter = EVERY_LABEL
    start_ns: int = 0
    end_ns: int = LAST_NS
    step_ns: int | None = None
    reference: str | None = None
    comparators: Sequence[Comparator] = (PSI, KS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSample:
    """A merged sample and its distances from the reference.

    Attributes:
        distances: Distance by comparator, or the reason why it is undefined. Empty without a
            comparison.
    """

    sample: SummarySample
    distances: Mapping[str, Comparison | NotCompared] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesAnswer:
    """The windows of one summary.

    Attributes:
        samples: Compared samples, oldest window first.
        reference: Requested reference.
        column: Distribution of the summary in the reference; None if the reference lacks it.
    """

    samples: Sequence[ComparedSample]
    reference: Reference | None
    column: ReferenceColumn | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestQuestion:
    """Selection of the newest windows of many summaries.

    Attributes:
        summaries: Names of summaries, or patterns such as ``input.*``.
        windows: Number of windows of each summary.
        reference: Name of the reference to compare with; None for no comparison.
        limit: Largest number of summaries in the answer.
        after: Last summary of the page before; the answer begins after it.
    """

    entity: str
    summaries: Sequence[str]
    windows: int
    labels: LabelFilter = EVERY_LABEL
    reference: str | None = None
    limit: int = MAX_NEWEST
    after: str = ""


class NewestAnswer(NamedTuple):
    """The newest windows of many summaries.

    Attributes:
        series: Question and answer of each summary, sorted by name.
        last: Last name of the page; None on the last page.
    """

    series: Sequence[tuple[SamplesQuestion, SamplesAnswer]]
    last: str | None
