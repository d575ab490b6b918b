"""Queries over the store: monitored entities, their health, and their summaries over time."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from nilometer.alert import AlertStatus
from nilometer.compare import Comparator, compare_by
from nilometer.profile import (
    Content,
    Reference,
    ReferenceColumn,
    SummarySample,
    TypeCounts,
)
from nilometer.profile.reference import LEARNED
from nilometer.values.clock import Clock
from nilometer.values.entity import SERVICE, role_of
from nilometer.values.nearest import did_you_mean
from nilometer.values.window import Window
from nilometer_collector.alerting.watch_report import WatchReport
from nilometer_collector.errors import Unknown
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.query.groups import groups_of
from nilometer_collector.query.merging import merged_samples
from nilometer_collector.query.records import (
    MAX_ENTITIES,
    ComparedSample,
    EntityPage,
    EntityRecord,
    NewestAnswer,
    NewestQuestion,
    SamplesAnswer,
    SamplesQuestion,
    SummaryRecord,
)
from nilometer_collector.query.series import SeriesReader
from nilometer_collector.query.series_records import Selection, SeriesAnswer, SeriesQuestion
from nilometer_collector.query.windows_reference import WindowsReference, reference_of_windows
from nilometer_collector.store import UNDECLARED, DeclaredEntity, SeriesRecord, Store

SILENT_WINDOWS = 10  # windows without new data until the health is NO_DATA


class Query:
    """Answers queries from the store. Thread-safe.

    Args:
        store: Store to read.
        clock: Clock for wall time, to detect series without new data.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._edges = ReferenceEdges(store.references)
        self._series = SeriesReader(store.samples, self._edges)

    def entities(
        self,
        *,
        after: str = "",
        limit: int = MAX_ENTITIES,
        may: Callable[[str], bool] = lambda _: True,
    ) -> EntityPage:
        """List the known entities: declared, or with data, a reference, an alerter or an episode.

        Args:
            after: Last name of the page before; the list begins after it.
            limit: Largest number of entities, at least 1.
            may: Function that returns whether the caller may see an entity.
        """
        totals = {one.entity: one for one in self._store.samples.totals()}
        references = self._reference_names()
        declared = {one.name: one for one in self._store.entities.all()}
        names = totals.keys() | references.keys() | declared.keys() | self._store.alerts.entities()
        chosen = sorted(name for name in names if name > after and may(name))
        judged = {entity for entity, _ in self._store.alerts.judged()}
        is_open = Counter(entity for entity, _ in self._store.alerts.open_episodes())
        watched = self.watched()
        readers = _readers(declared.values(), may)
        found = []
        for name in chosen[:limit]:
            one, said = totals.get(name), declared.get(name)
            newest = None if one is None else (one.last_received_ns, one.last_window_ns)
            found.append(
                EntityRecord(
                    name=name,
                    health=self._health(
                        newest,
                        judged=name in judged,
                        is_open=name in is_open,
                        watched=watched[name].status if name in watched else None,
                    ),
                    summaries=0 if one is None else one.summaries,
                    observations=0 if one is None else one.seen,
                    first_start_ns=None if one is None else one.first_start_ns,
                    last_end_ns=None if one is None else one.last_end_ns,
                    open_episodes=is_open[name],
                    references=references.get(name, []),
                    declaration=UNDECLARED if said is None else said.declaration,
                    version=0 if said is None else said.version,
                    updated_ns=None if said is None else said.updated_ns,
                    read_by=readers.get(name, []),
                )
            )
        return EntityPage(found, chosen[limit - 1] if len(chosen) > limit else None)

    def entity(self, name: str, may: Callable[[str], bool] = lambda _: True) -> EntityRecord:
        """Return the entity *name*; *may* returns whether the caller may see an entity.

        Raises:
            Unknown: If it has no declaration, data, reference, alerter or episode.
        """
        page = self.entities(limit=1, may=lambda one: one == name)
        if not page.entities:
            hint = did_you_mean(name, self.names(may))
            raise Unknown(f"entity {name!r} does not exist{hint}")
        readers = _readers(self._store.entities.all(), may)
        return replace(page.entities[0], read_by=readers.get(name, []))

    def names(self, may: Callable[[str], bool] = lambda _: True) -> list[str]:
        """Return the names, sorted, of all known entities that the caller *may* see."""
        store = self._store
        names = {one.entity for one in store.samples.totals()} | store.alerts.entities()
        names |= self._reference_names().keys() | {one.name for one in store.entities.all()}
        return sorted(filter(may, names))

    def _reference_names(self) -> dict[str, list[str]]:
        """Return the names of the current references of each entity, for users to choose from."""
        found: dict[str, list[str]] = {}
        for record in self._store.references.records():
            if record.name == LEARNED:  # the collector made it, so users do not choose it
                continue
            found.setdefault(record.entity, []).append(record.name)
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
        types = self._store.entities.types(entity)
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
                        (_newest(parts).last_received_ns, _newest(parts).last_window_ns),
                        judged=key in judged,
                        is_open=key in is_open,
                        watched=watched.get(name),
                    ),
                    observations=sum(one.seen for one in parts),
                    last_end_ns=max(one.last_end_ns for one in parts),
                    window_ns=_newest(parts).last_window_ns,
                    labels=_label_values(one.labels.pairs for one in parts),
                    logged=types.get(name),
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
        return self._answer(question, series, reference)

    def content(self, question: SamplesQuestion) -> Content | None:
        """Return the content of one summary, merged over all windows; None without data.

        Raises:
            Unknown: If the entity or the summary does not exist.
            TooMuch: If too many samples match.
        """
        samples = [one.sample for one in self.samples(question).samples]
        if not samples:
            return None
        whole = Window(
            min(one.window.start_ns for one in samples), max(one.window.end_ns for one in samples)
        )
        merged, _ = SummarySample.merge_most(samples, whole, samples[0].labels)
        return None if merged is None else merged.content

    def newest(self, question: NewestQuestion) -> NewestAnswer:
        """Return the newest windows of many summaries; see `samples` for one summary.

        Raises:
            Unknown: If the entity, a summary or the reference does not exist.
            TooMuch: If too many samples match.
        """
        reference = self._reference(question.entity, question.reference)
        groups = groups_of(
            self._store.samples, question.entity, question.summaries, question.labels
        )
        chosen = [group for group in groups if group.key.summary > question.after]
        found = []
        for group in chosen[: question.limit]:
            window_ns = _newest(group.series).last_window_ns
            part = SamplesQuestion(
                entity=question.entity,
                summary=group.key.summary,
                start_ns=max(group.last_ns - question.windows * window_ns, 0),
            )
            found.append((part, self._answer(part, group.series, reference)))
        more = len(chosen) > question.limit
        return NewestAnswer(found, found[-1][0].summary if more else None)

    def _answer(
        self,
        question: SamplesQuestion,
        series: Sequence[SeriesRecord],
        reference: Reference | None,
    ) -> SamplesAnswer:
        """Return the windows of matching *series* of one summary."""
        column = None if reference is None else reference.columns.get(question.summary)
        chosen = [one for one in series if question.labels.matches(one.labels)]
        edges_of = self._edges.of(question.entity)
        merged = merged_samples(self._store.samples, chosen, question, edges_of)
        samples = [_compared(sample, column, question.comparators) for sample in merged]
        return SamplesAnswer(samples=samples, reference=reference, column=column)

    def watched(self, entity: str | None = None) -> dict[str, WatchReport]:
        """Return the status of the default alerter, by entity: of all entities or of one."""
        reports = self._store.watching.reports(entity)
        return {name: WatchReport.from_bytes(content) for name, content in reports}

    def series(self, question: SeriesQuestion) -> SeriesAnswer:
        """Return a page of the points of many series, oldest first inside a series.

        Raises:
            Unknown: If the entity, a summary or the reference does not exist.
            TooMuch: If the answer would have too many points, or a page too many samples.
        """
        reference = self._reference(question.selection.entity, question.reference)
        return self._series.answer(question, reference)

    def reference_of(self, selection: Selection, name: str) -> WindowsReference:
        """Return the merged windows of *selection* as the reference *name*. Stores nothing.

        Raises:
            Unknown: If the entity, a summary or a matching window does not exist.
            TooMuch: If too many samples match.
        """
        now_ns = self._clock.now_ns()
        return reference_of_windows(self._store, self._series, selection, name, now_ns)

    def _require_entity(self, entity: str) -> None:
        known = {record.entity for record in self._store.references.records(entity)}
        known |= {series.entity for series in self._store.samples.series(entity)}
        is_declared = self._store.entities.read(entity) is not None
        if not is_declared and entity not in known | self._store.alerts.entities():
            raise Unknown(f"entity {entity!r} does not exist")

    def _health(
        self,
        newest: tuple[int, int] | None,
        *,
        judged: bool,
        is_open: bool,
        watched: AlertStatus | None = None,
    ) -> AlertStatus:
        """Return the health. NO_DATA depends on the time of arrival, so replayed old data is OK.

        Args:
            newest: Time of the last arrival, and the length of its window; None without data.
            judged: Whether an alerter set by a user has judged it.
            is_open: Whether an episode is open.
            watched: Status of the default alerter; None before its first status.
        """
        if watched is AlertStatus.NO_DATA:
            return watched
        if is_open:
            return AlertStatus.ALERTING
        if newest is None:
            return AlertStatus.NO_DATA
        received_ns, window_ns = newest
        if self._clock.now_ns() - received_ns > SILENT_WINDOWS * window_ns:
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


def _readers(
    declared: Iterable[DeclaredEntity], may: Callable[[str], bool]
) -> dict[str, list[str]]:
    """Return which entities read from each entity, limited to names that it *may* show."""
    found: dict[str, list[str]] = {}
    for one in declared:
        if may(one.name):
            for source in one.declaration.reads_from:
                found.setdefault(source, []).append(one.name)
    return found


def _statuses(report: WatchReport) -> dict[str, AlertStatus]:
    """Return the status of each summary for all its traffic."""
    return {one.summary: one.status for one in report.summaries if not one.labels}


def _newest(series: Sequence[SeriesRecord]) -> SeriesRecord:
    """Return the series with the latest arrival of data."""
    return max(series, key=lambda one: (one.last_received_ns, one.last_window_ns))


def _label_values(label_sets: Iterable[Sequence[tuple[str, str]]]) -> dict[str, list[str]]:
    """Return every label key with all its values, sorted."""
    values: dict[str, set[str]] = {}
    for pairs in label_sets:
        for key, value in pairs:
            values.setdefault(key, set()).add(value)
    return {key: sorted(found) for key, found in sorted(values.items())}
