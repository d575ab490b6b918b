"""Finds what PREVIOUS, BASELINE and OTHER alerters compare a window with, as a reference of the moment."""

from collections.abc import Mapping, Sequence
from functools import singledispatchmethod
from typing import NamedTuple

from nilometer.alert import Alerter, Condition, Evaluation, Reason, evaluate
from nilometer.alert.conditions import AgainstBaseline, AgainstOther, AgainstPrevious
from nilometer.alert.evaluation import not_judged
from nilometer.profile import Reference, SummarySample
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.references import with_digest
from nilometer_collector.judging.windows import STEP_NS, merged_sample
from nilometer_collector.query.difference import column_of
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.query.missing_names import expired_sentence
from nilometer_collector.store import Level, SeriesRecord, Store

DAY_NS = Level.DAY.length_ns
MOST_KEPT = 500  # series whose newest windows stay in memory for PREVIOUS
MOST_BASELINES = 20_000  # baselines that stay in memory; further ones are read for each window


class _Newest(NamedTuple):
    """The newest judged window of a series, and the window before it."""

    sample: SummarySample
    before: SummarySample | None


class _BaselineKey(NamedTuple):
    """A series, and the days and hours that its windows are compared with."""

    series: int
    days: int
    same_hour: bool


class _Baseline(NamedTuple):
    """The baseline of windows that start on a day and, with `same_hour`, in an hour of it, UTC."""

    day: int
    hour: int | None
    reference: Reference | None


class Others:
    """Reads the other sides of comparisons. Not thread-safe.

    Args:
        store: Store of samples and references.
        edges: Edges of references.
        level: Level of the windows that are judged.
    """

    def __init__(self, store: Store, edges: ReferenceEdges, level: Level = Level.SHIPPED) -> None:
        self._store = store
        self._level = level
        self._edges = edges
        self._baselines: dict[_BaselineKey, _Baseline] = {}
        self._newest_day = 0  # of all baselines
        self._newest: dict[int, _Newest] = {}  # by id of the series, the newest last
        self._references: dict[str, Mapping[str, Reference]] = {}
        self._expiries: dict[str, Mapping[str, int]] = {}  # by entity and name, Unix nanoseconds
        self._generation = -1

    def evaluation(
        self, alerter: Alerter, series: SeriesRecord, sample: SummarySample
    ) -> Evaluation:
        """Return the evaluation of *alerter* on *sample*, with the other side of its comparison.

        A window that ends after the expiry of the alerter's reference is not judged.

        Args:
            alerter: Alerter that watches *series*.
            series: Series of the sample.
            sample: Window that is judged.
        """
        references = self._found(alerter.condition, series, sample)
        expiries = self._expiries.get(sample.entity, {})
        expires_ns = expiries.get(alerter.condition.reference, sample.window.end_ns)
        if expires_ns < sample.window.end_ns:
            why = f"reference {alerter.condition.reference!r}: {expired_sentence(expires_ns)}"
            return not_judged(alerter, sample, Reason.REFERENCE_EXPIRED, why)
        return evaluate(alerter, sample, references)

    def is_other_side(self, condition: Condition, series: SeriesRecord) -> bool:
        """Return whether *series* is what *condition* compares the other series with."""
        if not isinstance(condition, AgainstOther) or condition.other_entity:
            return False
        return set(condition.labels.pairs) <= set(series.labels.pairs)

    @singledispatchmethod
    def _found(
        self, condition: Condition, series: SeriesRecord, sample: SummarySample
    ) -> Mapping[str, Reference]:
        del condition, series
        references = self._store.references
        if references.generation != self._generation:
            self._references, self._generation = {}, references.generation
            self._expiries = {}
        found = self._references.get(sample.entity)
        if found is None:
            records = references.records(sample.entity)
            read = map(references.read, records)
            found = {one.name: one for one in read if one is not None}
            self._references[sample.entity] = found
            self._expiries[sample.entity] = {
                one.name: one.expires_ns for one in records if one.expires_ns is not None
            }
        return found

    @_found.register
    def _(
        self, condition: AgainstPrevious, series: SeriesRecord, sample: SummarySample
    ) -> Mapping[str, Reference]:
        known = self._newest.pop(series.id, None)
        if known is not None and known.sample.window == sample.window:  # of another alerter
            before = known.before
        elif known is not None and known.sample.window.end_ns == sample.window.start_ns:
            before = known.sample
        else:
            before = self._read_before(series, sample.window)
        self._newest[series.id] = _Newest(sample, before)
        if len(self._newest) > MOST_KEPT:
            del self._newest[next(iter(self._newest))]
        return _by_name(condition.side, _reference(before))

    def _read_before(self, series: SeriesRecord, window: Window) -> SummarySample | None:
        """Read the window of the same length that ends where *window* starts."""
        start_ns = max(2 * window.start_ns - window.end_ns, 0)
        if start_ns == window.start_ns:
            return None
        return self._merged([series], Window(start_ns, window.start_ns), self._level)

    @_found.register
    def _(
        self, condition: AgainstBaseline, series: SeriesRecord, sample: SummarySample
    ) -> Mapping[str, Reference]:
        day = sample.window.start_ns // DAY_NS
        hour = sample.window.start_ns // STEP_NS % 24 if condition.same_hour else None
        key = _BaselineKey(series.id, condition.days, condition.same_hour)
        found = self._baselines.get(key)
        if found is None or (found.day, found.hour) != (day, hour):
            found = self._read_baseline(series, condition.days, day, hour)
            self._keep(key, found)
        return _by_name(condition.side, found.reference)

    def _read_baseline(
        self, series: SeriesRecord, days: int, day: int, hour: int | None
    ) -> _Baseline:
        """Read the *days* before *day*, and of these only *hour* if it is given."""
        before = Window(max(day - days, 0) * DAY_NS, day * DAY_NS)
        return _Baseline(day, hour, _reference(self._merged([series], before, Level.HOUR, hour)))

    def _keep(self, key: _BaselineKey, baseline: _Baseline) -> None:
        """Keep *baseline* while there is room; a new day makes room."""
        if baseline.day > self._newest_day:
            self._newest_day = baseline.day
            self._baselines.clear()
        if key in self._baselines or len(self._baselines) < MOST_BASELINES:
            self._baselines[key] = baseline

    @_found.register
    def _(
        self, condition: AgainstOther, series: SeriesRecord, sample: SummarySample
    ) -> Mapping[str, Reference]:
        entity = condition.other_entity or series.entity
        if not self._store.workspaces.are_together(series.entity, entity):
            return {}  # saved before the workspaces were set
        candidates = self._store.samples.series(entity, sample.summary)
        chosen = _of_other_labels(candidates, sample.labels, condition.labels)
        found = self._merged(chosen, sample.window, self._level)
        return _by_name(condition.side, _reference(found))

    def _merged(
        self,
        series: Sequence[SeriesRecord],
        window: Window,
        level: Level,
        hour: int | None = None,
    ) -> SummarySample | None:
        if not series:
            return None
        edges_of = self._edges.of(series[0].entity)
        return merged_sample(self._store.samples, series, window, edges_of, level, hour)


def _of_other_labels(
    candidates: Sequence[SeriesRecord], labels: Labels, other: Labels
) -> list[SeriesRecord]:
    """Return the series that differ from *labels* by *other* only; else all that have *other*."""
    wanted = Labels.of({**labels.as_dict(), **other.as_dict()})
    same = [one for one in candidates if one.labels == wanted]
    return same or [one for one in candidates if set(other.pairs) <= set(one.labels.pairs)]


def _reference(sample: SummarySample | None) -> Reference | None:
    """Return *sample* as a reference with its digest; None without a sample."""
    if sample is None:
        return None
    column = column_of(sample.content)
    return with_digest(
        Reference(
            entity=sample.entity,
            name="",
            rows=sample.coverage.profiled,
            created_ns=sample.window.end_ns,
            source="windows of production",
            columns={} if column is None else {sample.summary: column},
            digest="",
        )
    )


def _by_name(name: str, reference: Reference | None) -> Mapping[str, Reference]:
    return {} if reference is None else {name: reference}
