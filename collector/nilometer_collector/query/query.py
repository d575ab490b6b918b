"""Queries over the store: monitored entities, their health, and their summaries over time."""

from collections.abc import Iterable, Sequence

from nilometer.alert import AlertStatus
from nilometer.compare import Comparator, compare_by
from nilometer.profile import (
    Reference,
    ReferenceColumn,
    SummarySample,
    TypeCounts,
)
from nilometer.profile.reference import LEARNED
from nilometer.values.clock import Clock
from nilometer.values.entity import SERVICE, role_of
from nilometer.values.nearest import did_you_mean
from nilometer_collector.alerting.watch_report import WatchReport
from nilometer_collector.errors import Unknown
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.query.merging import merged_samples
from nilometer_collector.query.records import (
    ComparedSample,
    EntityRecord,
    SamplesAnswer,
    SamplesQuestion,
    SummaryRecord,
)
from nilometer_collector.store import SeriesRecord, Store

SILENT_WINDOWS = 10  # windows without new data after which the status is NO_DATA


class Query:
    """Answers queries from the store. Any thread may call.

    Args:
        store: Store to read.
        clock: Clock for wall time, to detect series without new data.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._edges = ReferenceEdges(store.references)

    def entities(self) -> list[EntityRecord]:
        """List every entity that has data, a reference, an alerter or an episode, by name."""
        series: dict[str, list[SeriesRecord]] = {}
        for one in self._store.samples.series():
            series.setdefault(one.entity, []).append(one)
        references: dict[str, list[str]] = {}
        for record in self._store.references.records():
            if record.name == LEARNED:  # no choice of a user, and only for summaries without one
                continue
            references.setdefault(record.entity, []).append(record.name)
        judged = {entity for entity, _ in self._store.alerts.judged()}
        is_open = [entity for entity, _ in self._store.alerts.open_episodes()]
        watched = self.watched()
        found = []
        for name in sorted(series.keys() | references.keys() | self._store.alerts.entities()):
            parts = series.get(name, [])
            found.append(
                EntityRecord(
                    name=name,
                    health=self._health(
                        parts,
                        judged=name in judged,
                        is_open=name in is_open,
                        watched=watched[name].status if name in watched else None,
                    ),
                    summaries=len({one.summary for one in parts}),
                    observations=_seen(parts),
                    first_start_ns=min((one.first_start_ns for one in parts), default=None),
                    last_end_ns=max((one.last_end_ns for one in parts), default=None),
                    open_episodes=is_open.count(name),
                    references=references.get(name, []),
                )
            )
        return found

    def summaries(self, entity: str) -> list[SummaryRecord]:
        """List the summaries of *entity*, `service` first.

        Raises:
            Unknown: If the entity does not exist.
        """
        series: dict[str, list[SeriesRecord]] = {}
        for one in self._store.samples.series(entity):
            series.setdefault(one.summary, []).append(one)
        if not series:
            self._require_entity(entity)
        judged = self._store.alerts.judged()
        is_open = {*self._store.alerts.open_episodes(), *self._store.watching.open_parts()}
        report = self.watched(entity).get(entity)
        watched = {} if report is None else _statuses(report)
        found = []
        for name, parts in sorted(series.items(), key=lambda item: (item[0] != SERVICE, item[0])):
            key = (entity, name)
            counts = TypeCounts(
                sum(one.numbers for one in parts), sum(one.categories for one in parts)
            )
            found.append(
                SummaryRecord(
                    entity=entity,
                    name=name,
                    data_type="service" if name == SERVICE else counts.data_type,
                    role=role_of(name),
                    health=self._health(
                        parts,
                        judged=key in judged,
                        is_open=key in is_open,
                        watched=watched.get(name),
                    ),
                    observations=_seen(parts),
                    last_end_ns=max(one.last_end_ns for one in parts),
                    labels=_label_values(one.labels.pairs for one in parts),
                )
            )
        return found

    def samples(self, question: SamplesQuestion) -> SamplesAnswer:
        """Return the windows of one summary, oldest first, merged over all matching samples.

        Raises:
            Unknown: If the entity, the summary or the reference does not exist.
            TooMuch: If too many samples match, or the response would have too many windows.
        """
        entity = question.entity
        reference = self._reference(entity, question.reference)
        column = None if reference is None else reference.columns.get(question.summary)
        series = self._store.samples.series(entity, question.summary)
        if not series and column is None:
            self._require_entity(entity)
            names = {one.summary for one in self._store.samples.series(entity)}
            hint = did_you_mean(question.summary, sorted(names))
            raise Unknown(f"{entity} has no summary {question.summary!r}{hint}")
        chosen = [one for one in series if question.labels.matches(one.labels)]
        merged = merged_samples(self._store.samples, chosen, question, self._edges.of(entity))
        samples = [_compared(sample, column, question.comparators) for sample in merged]
        return SamplesAnswer(samples=samples, reference=reference, column=column)

    def watched(self, entity: str | None = None) -> dict[str, WatchReport]:
        """Return the status of the default alerter of all entities or of one, by name."""
        reports = self._store.watching.reports(entity)
        return {name: WatchReport.from_bytes(content) for name, content in reports}

    def _require_entity(self, entity: str) -> None:
        known = {record.entity for record in self._store.references.records(entity)}
        known |= {series.entity for series in self._store.samples.series(entity)}
        if entity not in known | self._store.alerts.entities():
            raise Unknown(f"entity {entity!r} does not exist")

    def _health(
        self,
        series: Sequence[SeriesRecord],
        *,
        judged: bool,
        is_open: bool,
        watched: AlertStatus | None = None,
    ) -> AlertStatus:
        """Return the health. NO_DATA depends on the last arrival, so a replay of old data is OK.

        Args:
            series: Series of the entity or summary.
            judged: Whether an alerter of a user has judged it.
            is_open: Whether an episode is open.
            watched: Status of the default alerter; None before it has one.
        """
        if watched is AlertStatus.NO_DATA:
            return watched
        if is_open:
            return AlertStatus.ALERTING
        if not series:
            return AlertStatus.NO_DATA
        newest = max(series, key=lambda one: one.last_received_ns)
        silent_ns = self._clock.now_ns() - newest.last_received_ns
        if silent_ns > SILENT_WINDOWS * newest.last_window_ns:
            return AlertStatus.NO_DATA
        if judged:
            return AlertStatus.OK
        return watched or AlertStatus.LEARNING

    def _reference(self, entity: str, name: str | None) -> Reference | None:
        if name is None:
            return None
        records = self._store.references.records(entity)
        for record in records:
            if record.name == name:
                reference = self._store.references.read(record)
                if reference is not None:
                    return reference
        hint = did_you_mean(name, [record.name for record in records])
        raise Unknown(f"{entity} has no reference {name!r}{hint}")


def _compared(
    sample: SummarySample, column: ReferenceColumn | None, comparators: Iterable[Comparator]
) -> ComparedSample:
    if column is None:
        return ComparedSample(sample=sample)
    found = compare_by(comparators, column, sample.content)
    return ComparedSample(sample=sample, distances=found)


def _statuses(report: WatchReport) -> dict[str, AlertStatus]:
    """Return the status of each summary over all its traffic."""
    return {one.summary: one.status for one in report.summaries if not one.labels}


def _seen(series: Sequence[SeriesRecord]) -> int:
    """Return the requests: all summaries of an entity count the same requests, so take the most."""
    by_summary: dict[str, int] = {}
    for one in series:
        by_summary[one.summary] = by_summary.get(one.summary, 0) + one.seen
    return max(by_summary.values(), default=0)


def _label_values(label_sets: Iterable[Sequence[tuple[str, str]]]) -> dict[str, list[str]]:
    """Return every label key with all its values, sorted."""
    values: dict[str, set[str]] = {}
    for pairs in label_sets:
        for key, value in pairs:
            values.setdefault(key, set()).add(value)
    return {key: sorted(found) for key, found in sorted(values.items())}
