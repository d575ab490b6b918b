"""Takes the picture of a whole pipeline from the store, and keeps it for some seconds."""

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from nilometer.causes.graph import Flow
from nilometer.values.clock import Clock
from nilometer_collector.pipeline.calls import Call, calls_in
from nilometer_collector.pipeline.flows import Column, Flows, columns_of, flows_of
from nilometer_collector.pipeline.handover import Ends, handover
from nilometer_collector.pipeline.reading import SPAN_NS, Reading
from nilometer_collector.pipeline.records import Alarm, Compared, Edge, Node, Picture, Service
from nilometer_collector.query.query import Query
from nilometer_collector.query.records import EntityRecord
from nilometer_collector.store import MOST_EPISODES, EpisodeRecord, Level, SeriesRecord, Store

KEPT_SECONDS = 2.0  # age up to which a picture is returned again
LEARNED_SECONDS = 60.0  # age up to which observed calls are not read again
MOST_NODES = 1000  # entities of one picture
MOST_COLUMNS = 64  # compared columns of one edge

_Arrived: TypeAlias = tuple[int, int]  # end of the newest window, and time of the last arrival


@dataclass(slots=True)
class _Kept:
    """A comparison, and what it was made from: the samples of both ends, and the columns."""

    state: tuple[_Arrived, _Arrived, tuple[Column, ...]]
    compared: Compared


class Pipeline:
    """The picture of the pipeline. Thread-safe; one thread at a time takes it.

    Args:
        store: Store to read.
        query: Query for the health of entities.
        clock: Clock for wall time and monotonic time.
    """

    def __init__(self, store: Store, query: Query, clock: Clock) -> None:
        self._store = store
        self._query = query
        self._clock = clock
        self._reading = Reading(store)
        self._lock = threading.Lock()
        self._picture: Picture | None = None
        self._taken = 0.0  # monotonic time of the picture
        self._calls: list[Call] | None = None
        self._learned = 0.0  # monotonic time at which the calls were read
        self._compared: dict[Flow, _Kept] = {}
        self._services: dict[str, tuple[_Arrived, Service | None]] = {}

    def picture(self) -> Picture:
        """Return the pipeline as it was at most `KEPT_SECONDS` ago.

        While another thread takes the next picture, the last one is returned.
        """
        last = self._picture
        if not self._lock.acquire(blocking=last is None):
            return cast("Picture", last)
        try:
            now = self._clock.monotonic()
            if self._picture is None or now - self._taken > KEPT_SECONDS:
                self._picture = self._take()
                self._taken = now
            return self._picture
        finally:
            self._lock.release()

    def _take(self) -> Picture:
        page = self._query.entities(limit=MOST_NODES)
        records = {one.name: one for one in page.entities}
        series: dict[str, list[SeriesRecord]] = {name: [] for name in records}
        for one in self._store.samples.series():
            if one.entity in series:
                series[one.entity].append(one)
        flows = self._flows(records, series)
        nodes = self._nodes(records, series)
        chosen = flows.declared | flows.calls.keys()
        edges = tuple(
            Edge(
                flow=flow,
                declared=flow in flows.declared,
                call=flows.calls.get(flow),
                compared=self._compare(
                    flow, series, records[flow.reader].declaration.columns.get(flow.source, {})
                ),
            )
            for flow in sorted(chosen, key=lambda one: (one.reader, one.source))
        )
        self._compared = {flow: self._compared[flow] for flow in chosen}
        return Picture(
            nodes=nodes,
            edges=edges,
            nodes_left_out=len(self._query.names()) - len(records) if page.last else 0,
            edges_left_out=flows.left_out,
            taken_ns=self._clock.now_ns(),
        )

    def _flows(
        self, records: Mapping[str, EntityRecord], series: Mapping[str, Sequence[SeriesRecord]]
    ) -> Flows:
        declared = {
            Flow(source, name)
            for name, one in records.items()
            for source in one.declaration.reads_from
            if source in records
        }
        now = self._clock.monotonic()
        if self._calls is None or now - self._learned > LEARNED_SECONDS:
            seen = {name: self._reading.seen(found) for name, found in series.items()}
            self._calls, self._learned = calls_in(seen), now
        calls = [one for one in self._calls if one.caller in records and one.callee in records]
        summaries = {name: {one.summary for one in found} for name, found in series.items()}
        return flows_of(declared, calls, summaries)

    def _nodes(
        self, records: Mapping[str, EntityRecord], series: Mapping[str, Sequence[SeriesRecord]]
    ) -> dict[str, Node]:
        reports, alarms, kept = self._query.watched(), self._alarms(), self._services
        self._services = {}
        found = {}
        for name, one in records.items():
            report = reports.get(name)
            arrived, service = _arrived(series[name]), kept.get(name)
            if service is None or service[0] != arrived:
                service = arrived, self._reading.service(series[name], records.keys())
            self._services[name] = service
            found[name] = Node(
                name=name,
                kind=one.declaration.kind,
                health=one.health,
                watched=None if report is None else report.status,
                sentence="" if report is None else report.sentence,
                alarm=alarms.get(name),
                service=service[1],
                last_ns=one.last_end_ns,
            )
        return found

    def _alarms(self) -> dict[str, Alarm]:
        """Return the open episodes of each entity that has any."""
        found: dict[str, list[tuple[int, str]]] = {}
        for one in self._open_episodes():
            onset_ns = min((part.onset_ns for part in one.parts), default=one.since_ns)
            is_named = not one.summary or one.summary in one.evidence
            evidence = one.evidence if is_named else f"{one.summary}: {one.evidence}"
            found.setdefault(one.alerter.entity, []).append((onset_ns, evidence))
        return {
            entity: Alarm(episodes=len(each), onset_ns=min(each)[0], evidence=min(each)[1])
            for entity, each in found.items()
        }

    def _open_episodes(self) -> Iterator[EpisodeRecord]:
        """Yield all open episodes, in lists of several entities that the store does not cut."""
        alerts, entities, size = self._store.alerts, list[str](), 0
        for entity, number in sorted(Counter(name for name, _ in alerts.open_episodes()).items()):
            if entities and size + number > MOST_EPISODES:
                yield from alerts.episodes(is_open=True, among=entities)
                entities, size = [], 0
            entities.append(entity)
            size += number
        if entities:
            yield from alerts.episodes(is_open=True, among=entities)

    def _compare(
        self,
        flow: Flow,
        series: Mapping[str, Sequence[SeriesRecord]],
        renamed: Mapping[str, str],
    ) -> Compared:
        """Return the comparison of both ends; it is made again only after new data."""
        ours, theirs = series[flow.source], series[flow.reader]
        columns = columns_of(
            {one.summary for one in ours}, {one.summary for one in theirs}, renamed
        )[:MOST_COLUMNS]
        state = _arrived(ours), _arrived(theirs), tuple(columns)
        kept = self._compared.get(flow)
        if kept is None or kept.state != state:
            compared = self._compared_at(flow, columns, ours, theirs)
            kept = self._compared[flow] = _Kept(state, compared)
        return kept.compared

    def _compared_at(
        self,
        flow: Flow,
        columns: Sequence[Column],
        ours: Sequence[SeriesRecord],
        theirs: Sequence[SeriesRecord],
    ) -> Compared:
        if flow.source == flow.reader:
            return Compared(why="the entity reads from itself")
        if not columns:
            return Compared(
                why=f"no output of {flow.source} has the name of an input of {flow.reader}"
            )
        end_ns = min(
            _last_ns([one for one in ours if one.summary in {each.sent for each in columns}]),
            _last_ns([one for one in theirs if one.summary in {each.received for each in columns}]),
        )
        start_ns = max(end_ns - SPAN_NS, 0)
        start_ns -= start_ns % Level.FIVE_MINUTES.length_ns  # roll-ups begin at the same time
        findings, filled = [], 0
        for column in columns:
            sent = self._reading.feature(_of(ours, column.sent), start_ns, end_ns)
            received = self._reading.feature(_of(theirs, column.received), start_ns, end_ns)
            if sent is None or received is None:
                continue
            filled += 1
            ends = Ends(
                source=flow.source, reader=flow.reader, sent=column.sent, received=column.received
            )
            found = handover(ends, sent, received)
            findings += [] if found is None else [found]
        return Compared(
            columns=filled,
            start_ns=start_ns,
            end_ns=end_ns,
            findings=tuple(findings),
            why="" if filled else "there are no values of both entities in the same windows",
        )


def _of(series: Collection[SeriesRecord], summary: str) -> list[SeriesRecord]:
    return [one for one in series if one.summary == summary]


def _arrived(series: Collection[SeriesRecord]) -> _Arrived:
    """Return what changes with every new sample."""
    return _last_ns(series), max((one.last_received_ns for one in series), default=0)


def _last_ns(series: Collection[SeriesRecord]) -> int:
    return max((one.last_end_ns for one in series), default=0)
