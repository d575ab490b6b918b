"""Questions to the store: what is watched, how it is, and how it moved.

Samples are merged on read: over agents, labels and time, in canonical order, so that every order
of arrival gives the same answer.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from nilometer.compare import KS, PSI, Comparator, compare
from nilometer.profile import (
    Content,
    FeatureProfile,
    Reference,
    ReferenceColumn,
    SummarySample,
    TypeCounts,
)
from nilometer.sketch.binned import edges_id
from nilometer.values.clock import Clock
from nilometer.values.entity import SERVICE, role_of
from nilometer.values.errors import NilometerError
from nilometer.values.labels import LabelFilter, Labels
from nilometer.values.window import Window
from nilometer.wire.contents.codec import EdgesOf
from nilometer.wire.samples import merged_sample_from_bytes, sample_from_bytes
from nilometer_collector.alerting.rules import rule_of
from nilometer_collector.contents.bins import Bins, common_bins_of
from nilometer_collector.contents.feature import feature_view
from nilometer_collector.contents.registered import SHOWN
from nilometer_collector.errors import TooMuch, Unknown
from nilometer_collector.limits.bounds import LAST_NS
from nilometer_collector.query.present import coverage_view, episode_view, label_values, seconds
from nilometer_collector.store import SampleRecord, SeriesRecord, Store
from nilometer_collector.views import (
    AlerterView,
    EntityView,
    EpisodeView,
    Health,
    ReferenceView,
    SamplesView,
    SampleView,
    SummaryView,
)

MAX_WINDOWS = 2000  # of one answer
MAX_SAMPLES = 20_000  # merged for one answer
MAX_BYTES = 64 << 20  # of payloads, for one answer
SILENT_WINDOWS = 10  # without a word for so many windows a live series has no data

EVERY_LABEL = LabelFilter()

log = logging.getLogger("nilometer.collector")


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


class Query:
    """Reads the store. Any thread may call.

    Args:
        store: What is asked.
        clock: Wall time, to know what has gone silent.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._edges: dict[str, dict[str, tuple[float, ...]]] = {}
        self._edges_generation = -1

    def entities(self) -> list[EntityView]:
        """Everything that has data, a reference, a rule or an episode, by name."""
        series: dict[str, list[SeriesRecord]] = {}
        for one in self._store.samples.series():
            series.setdefault(one.entity, []).append(one)
        references: dict[str, list[str]] = {}
        for record in self._store.references.records():
            references.setdefault(record.entity, []).append(record.name)
        judged = {entity for entity, _ in self._store.alerts.judged()}
        is_open = [entity for entity, _ in self._store.alerts.open_episodes()]
        names = series.keys() | references.keys() | self._store.alerts.entities()
        return [
            EntityView(
                name=name,
                health=self._health(series.get(name, []), name in judged, name in is_open),
                summaries=len({one.summary for one in series.get(name, [])}),
                observations=_seen(series.get(name, [])),
                first_seen=_earliest(series.get(name, [])),
                last_seen=_latest(series.get(name, [])),
                open_episodes=is_open.count(name),
                references=references.get(name, []),
            )
            for name in sorted(names)
        ]

    def summaries(self, entity: str) -> list[SummaryView]:
        """The summaries of *entity*, the service first.

        Raises:
            Unknown: If there is no such entity.
        """
        series: dict[str, list[SeriesRecord]] = {}
        for one in self._store.samples.series(entity):
            series.setdefault(one.summary, []).append(one)
        if not series:
            self._require_entity(entity)
        judged, is_open = self._store.alerts.judged(), self._store.alerts.open_episodes()
        views = []
        for name, parts in sorted(series.items(), key=lambda item: (item[0] != SERVICE, item[0])):
            role = role_of(name)
            key = (entity, name)
            counts = TypeCounts(
                sum(one.numbers for one in parts), sum(one.categories for one in parts)
            )
            views.append(
                SummaryView(
                    entity=entity,
                    name=name,
                    data_type="service" if name == SERVICE else counts.data_type,
                    role="service" if role is None else role.value,
                    health=self._health(parts, key in judged, key in is_open),
                    observations=_seen(parts),
                    last_seen=_latest(parts),
                    labels=label_values(one.labels.pairs for one in parts),
                )
            )
        return views

    def samples(self, question: SamplesQuestion) -> SamplesView:
        """The windows of one summary, oldest first, merged over all that matches.

        Raises:
            Unknown: If there is no such entity, summary or reference.
            TooMuch: If more would have to be read or answered than is served.
        """
        reference = self._reference(question.entity, question.reference)
        column = None if reference is None else reference.columns.get(question.summary)
        series = self._store.samples.series(question.entity, question.summary)
        if not series and column is None:
            self._require_entity(question.entity)
            raise Unknown(f"{question.entity} has no summary {question.summary!r}")
        chosen = [one for one in series if question.labels.matches(one.labels)]
        merged = self._merged(chosen, question)
        features = [s.content for s in merged if isinstance(s.content, FeatureProfile)]
        bins = _bins(features, column)
        return SamplesView(
            entity=question.entity,
            summary=question.summary,
            samples=[_sample_view(sample, column, bins) for sample in merged],
            reference=None if reference is None else _reference_view(reference, column, bins),
        )

    def references(self, entity: str | None) -> list[ReferenceView]:
        """The current references of all or one entity, by name."""
        return [
            ReferenceView(
                entity=record.entity,
                name=record.name,
                digest=record.digest,
                rows=record.rows,
                source=record.source,
                created=seconds(record.created_ns),
                feature=None,
            )
            for record in self._store.references.records(entity)
        ]

    def alerters(self, entity: str | None) -> list[AlerterView]:
        """The rules of all or one entity, by name."""
        return [rule_of(alerter) for alerter in self._store.alerts.rules(entity)]

    def episodes(self, entity: str | None, *, is_open: bool | None) -> list[EpisodeView]:
        """Episodes, newest first."""
        return [
            episode_view(episode)
            for episode in self._store.alerts.episodes(entity, is_open=is_open)
        ]

    def _require_entity(self, entity: str) -> None:
        known = {record.entity for record in self._store.references.records(entity)}
        known |= {series.entity for series in self._store.samples.series(entity)}
        if entity not in known | self._store.alerts.entities():
            raise Unknown(f"there is no entity {entity!r}")

    def _health(self, series: Sequence[SeriesRecord], judged: bool, is_open: bool) -> Health:  # noqa: FBT001
        """How it is. Silence counts from the last arrival, so that a replay is not silent."""
        if is_open:
            return "ALERTING"
        if not series:
            return "NO_DATA"
        newest = max(series, key=lambda one: one.last_received_ns)
        silent_ns = self._clock.now_ns() - newest.last_received_ns
        if silent_ns > SILENT_WINDOWS * newest.last_window_ns:
            return "NO_DATA"
        return "OK" if judged else "LEARNING"

    def _reference(self, entity: str, name: str | None) -> Reference | None:
        if name is None:
            return None
        for record in self._store.references.records(entity):
            if record.name == name:
                reference = self._store.references.read(record)
                if reference is not None:
                    return reference
        raise Unknown(f"{entity} has no reference {name!r}")

    def _merged(
        self, series: Sequence[SeriesRecord], question: SamplesQuestion
    ) -> list[SummarySample]:
        span = (question.start_ns, question.end_ns)
        sizes = self._store.samples.windows(series, *span, MAX_SAMPLES + 1)
        if len(sizes) > MAX_SAMPLES or sum(size for _, _, size in sizes) > MAX_BYTES:
            raise TooMuch(f"more than {MAX_SAMPLES} samples match: ask for a shorter time")
        wanted = {_merged_window(start, end, question.step_ns) for start, end, _ in sizes}
        if len(wanted) > MAX_WINDOWS:
            raise TooMuch(
                f"{len(wanted)} windows are more than {MAX_WINDOWS}: ask for a shorter time or "
                "a longer step"
            )
        groups: dict[Window, list[SampleRecord]] = {}
        edges_of = self._edges_of(question.entity)
        for record in self._store.samples.read(series, *span, MAX_SAMPLES):
            window = _merged_window(record.window_start_ns, record.window_end_ns, question.step_ns)
            groups.setdefault(window, []).append(record)
        labels = _shared([one.labels for one in series])
        found = (
            _merged_records(records, window, labels, edges_of)
            for window, records in sorted(groups.items())
        )
        return [sample for sample in found if sample is not None]

    def _edges_of(self, entity: str) -> EdgesOf:
        """Edges of every version of the entity's references, by their name; decoded once."""
        with self._lock:
            generation = self._store.references.generation
            if generation != self._edges_generation:
                self._edges, self._edges_generation = {}, generation
            found = self._edges.get(entity)
            if found is None:
                found = self._edges[entity] = {}
                for record in self._store.references.records(entity, current=False):
                    reference = self._store.references.read(record)
                    for column in reference.columns.values() if reference is not None else ():
                        found[edges_id(column.edges)] = column.edges
            return found.get


def _merged_window(start_ns: int, end_ns: int, step_ns: int | None) -> Window:
    """The window that is shown: of the step's length, or its own where that is longer."""
    if step_ns is None or end_ns - start_ns >= step_ns:
        return Window(start_ns, end_ns)
    return Window.containing(start_ns, step_ns)


def _merged_records(
    records: Sequence[SampleRecord], window: Window, labels: Labels, edges_of: EdgesOf
) -> SummarySample | None:
    """Stored samples of one window as one; those that cannot be read are left out."""
    try:
        return merged_sample_from_bytes((one.payload for one in records), window, labels, edges_of)
    except (ValueError, NilometerError):
        pass
    read = [sample for sample in (_decoded(one, edges_of) for one in records) if sample is not None]
    return SummarySample.merge_all(read, window, labels) if read else None


def _decoded(record: SampleRecord, edges_of: EdgesOf) -> SummarySample | None:
    """A stored sample; counts on edges that do not fit are left to the t-digest."""
    try:
        sample = sample_from_bytes(record.payload, edges_of)
    except (ValueError, NilometerError):
        try:
            sample = sample_from_bytes(record.payload)
        except (ValueError, NilometerError) as error:
            log.error("sample unreadable", extra={"reason": type(error).__name__})  # noqa: TRY400
            return None
    return sample


def _bins(features: list[FeatureProfile], column: ReferenceColumn | None) -> Bins | None:
    if column is None:
        return common_bins_of(features, ())
    return common_bins_of([*features, column.feature], column.edges)


def _sample_view(
    sample: SummarySample, column: ReferenceColumn | None, bins: Bins | None
) -> SampleView:
    view = SampleView(
        window_start=seconds(sample.window.start_ns),
        window_end=seconds(sample.window.end_ns),
        coverage=coverage_view(sample.coverage),
        feature=None,
        service=None,
        scores=None,
        psi=_distance(PSI, column, sample.content),
        ks=_distance(KS, column, sample.content),
    )
    shown = SHOWN.get(sample.content.kind)
    if shown is None:  # a type from outside that has no view
        return view
    content = shown.view(sample.content, sample.window, bins)
    return msgspec.structs.replace(view, **{shown.field: content})


def _distance(
    comparator: Comparator, column: ReferenceColumn | None, content: Content
) -> float | None:
    if column is None or not isinstance(content, FeatureProfile):
        return None
    comparison = compare(comparator, column, content)
    return None if comparison is None else comparison.value


def _reference_view(
    reference: Reference, column: ReferenceColumn | None, bins: Bins | None
) -> ReferenceView:
    return ReferenceView(
        entity=reference.entity,
        name=reference.name,
        digest=reference.digest,
        rows=reference.rows,
        source=reference.source,
        created=seconds(reference.created_ns),
        feature=None if column is None else feature_view(column.feature, bins),
    )


def _shared(label_sets: Sequence[Labels]) -> Labels:
    """The pairs that all label sets have."""
    if not label_sets:
        return Labels()
    shared = set(label_sets[0].pairs).intersection(*(labels.pairs for labels in label_sets))
    return Labels(tuple(sorted(shared)))


def _seen(series: Sequence[SeriesRecord]) -> int:
    """Requests: every summary of an entity carries the same coverage, so the largest counts."""
    by_summary: dict[str, int] = {}
    for one in series:
        by_summary[one.summary] = by_summary.get(one.summary, 0) + one.seen
    return max(by_summary.values(), default=0)


def _earliest(series: Sequence[SeriesRecord]) -> float | None:
    return seconds(min(one.first_start_ns for one in series)) if series else None


def _latest(series: Sequence[SeriesRecord]) -> float | None:
    return seconds(max(one.last_end_ns for one in series)) if series else None
