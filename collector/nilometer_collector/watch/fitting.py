"""Fits the baselines of an entity: its columns, their normal values, and its judge.

It runs once a day until the baselines are frozen, and when references have changed.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nilometer.alert.calibrated.baseline import learn, merged, window_length
from nilometer.alert.calibrated.columns import Floats, Total
from nilometer.alert.calibrated.counting import SummaryColumn
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.life_cycle import Phase, has_moved, progress
from nilometer.alert.calibrated.normal import LEAST_ROWS_TO_LEARN
from nilometer.alert.calibrated.service import is_without_times
from nilometer.alert.calibrated.slots import BASE_NS, BASE_SECONDS, Calendar
from nilometer.alert.reason import Reason
from nilometer.profile import Content, Reference, ReferenceColumn
from nilometer.profile.reference import LEARNED
from nilometer.values.entity import (
    SCHEMA,
    SCORES_SUFFIX,
    SERVICE,
    SERVICE_PARTS,
    is_of_service,
    stored_summary,
)
from nilometer.wire.references import with_digest
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store import SeriesRecord
from nilometer_collector.store.levels import Level
from nilometer_collector.watch.columns import (
    columns_of,
    is_same,
    learned_column,
    learned_reference,
)
from nilometer_collector.watch.labelled.estimating import estimated_column
from nilometer_collector.watch.memory import DAY_NS, Book, Memory, Watched
from nilometer_collector.watch.normals import Spans
from nilometer_collector.watch.packing import compact_window, packed_window
from nilometer_collector.watch.reading import Reader, watched_series
from nilometer_collector.watch.replays import REPLAYED_NS, is_replayed
from nilometer_collector.watch.sources import WatchedStore

MOST_SEGMENTS = 20  # label sets of one summary that are judged separately
WEEK_STARTS = np.arange(7 * 24, dtype=np.int64) * 3600 * 1_000_000_000

log = logging.getLogger("nilometer.collector")

Times = NDArray[np.int64]
Kept: TypeAlias = dict[int, dict[int, NDArray[np.float32]]]  # counts by end of window and slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The result of a fit.

    Attributes:
        book: All subjects with their new baselines.
        reset: Subjects whose evidence starts again, because their baseline has changed.
        windows: Kept windows that changed, by their ends.
    """

    book: Book
    reset: frozenset[PartKey]
    windows: Sequence[tuple[int, bytes]]


class Fitter:
    """Fits the baselines of entities.

    Args:
        store: Store of samples, references and kept windows.
        edges: Edges of references.
    """

    def __init__(self, store: WatchedStore, edges: ReferenceEdges) -> None:
        self._store = store
        self._edges = edges

    def fingerprint(self, entity: str) -> str:
        """Return a digest of the current references that users made for *entity*."""
        records = self._store.references.records(entity)
        return ",".join(record.digest for record in records if record.name != LEARNED)

    def fit(self, entity: str, memory: Memory, book: Book, rule: WatchRule, now_ns: int) -> Fit:
        """Fit every baseline that has enough windows up to ``memory.end_ns``."""
        span = (memory.learning_ns, memory.end_ns)
        series = [
            one
            for one in watched_series(self._store.samples, entity)
            if one.summary != SCHEMA
            and one.first_start_ns < memory.end_ns
            and one.last_end_ns > span[0]
        ]
        by_summary: dict[str, list[SeriesRecord]] = {}
        for record in series:
            by_summary.setdefault(record.summary, []).append(record)
        if SERVICE in by_summary:
            by_summary |= dict.fromkeys(SERVICE_PARTS, by_summary[SERVICE])
        live_ns = _live_since(book, now_ns - REPLAYED_NS)
        columns = self._columns(entity, by_summary, book, span, live_ns, now_ns)
        book, fresh = _renamed(book, by_summary, columns, live_ns)
        windows = dict(self._store.watching.windows(entity, *span))
        kept = {end: compact_window(content) for end, content in windows.items()}
        changed = self._rebuild(entity, by_summary, book, fresh, kept, span)
        moved = book.in_other_zone(rule.time_zone)
        busy = {part.record.summary: part for part in memory.open_parts}
        watched, reset = [], set(fresh)
        for one in book.watched:
            is_busy = one.key.summary in busy and one.baseline is not None
            if one.key not in fresh and not moved and (one.frozen or is_busy):
                watched.append(one)
                continue
            own = by_summary.get(one.key.summary, ())
            shortest = max(max((each.last_window_ns for each in own), default=0) // BASE_NS, 1)
            length = partial(window_length, shortest=shortest)
            after = fitted(one, kept, memory.end_ns, memory.episode_spans, rule, length)
            watched.append(after)
            if moved or must_reset(one, after, rule):
                reset.add(one.key)
        late = tuple(one.anew(one.since_ns) if moved else one for one in book.performance)
        return Fit(
            book=replace(book, watched=tuple(watched), performance=late, time_zone=rule.time_zone),
            reset=frozenset(reset),
            windows=[(end, packed_window(kept[end])) for end in sorted(changed)],
        )

    def _columns(
        self,
        entity: str,
        by_summary: Mapping[str, Sequence[SeriesRecord]],
        book: Book,
        span: tuple[int, int],
        live_ns: int,
        now_ns: int,
    ) -> dict[str, SummaryColumn]:
        """Return the column of each summary: from a reference, from before, or learned now."""
        records = self._store.references.records(entity)
        read = [self._store.references.read(record) for record in records]
        references = [reference for reference in read if reference is not None]
        known = {one.key.summary: one.counted for one in book.watched}
        columns = {name: known[name] for name in by_summary.keys() & known.keys()}
        columns |= columns_of(references)
        before = next((one for one in references if one.name == LEARNED), None)
        added: dict[str, ReferenceColumn] = {}
        contents = self._contents(entity, span, live_ns)
        is_replay = is_replayed(self._store.watching.heard(entity))
        for summary, series in by_summary.items():
            if summary in columns and (is_replay or not is_without_times(columns[summary].column)):
                continue
            if span[1] - min(one.first_start_ns for one in series) < DAY_NS:
                continue
            if summary.endswith(SCORES_SUFFIX):
                every, edges_of = self._store.samples.series(entity), self._edges.of(entity)
                estimated = estimated_column(self._store.samples, edges_of, summary, every, span)
                if estimated is not None:
                    columns[summary] = estimated
                continue
            found = learned_column(summary, contents(summary, series), is_replay=is_replay)
            if found is not None:
                columns[summary], shared = found
                if shared is not None:
                    added[summary] = shared
        if added:
            self._publish(learned_reference(entity, before, added, _rows(added)), now_ns)
        return columns

    def _contents(
        self, entity: str, span: tuple[int, int], live_ns: int
    ) -> Callable[[str, Sequence[SeriesRecord]], Sequence[Content]]:
        """Return a function that reads the contents of a summary; those of a service only once.

        Most services have no streams, so these columns are looked for at each fit. The requests of
        a replay before *live_ns* are left out.
        """
        samples, edges_of = self._store.samples, self._edges.of(entity)
        service: list[Content] = []

        def read(summary: str, series: Sequence[SeriesRecord]) -> Sequence[Content]:
            if stored_summary(summary) != SERVICE:
                reader = Reader(samples, edges_of, Level.FIVE_MINUTES)
                return list(reader.contents(series, *span))
            if not service:
                reader = Reader(samples, edges_of, Level.HOUR)
                service.extend(reader.contents(series, max(span[0], live_ns), span[1]))
            return service

        return read

    def _publish(self, reference: Reference, now_ns: int) -> None:
        reference = with_digest(reference)
        self._store.references.put(reference, now_ns)
        log.info(
            "bins learned from the first windows, agents count on them from now on",
            extra={"entity": reference.entity, "summaries": len(reference.columns)},
        )

    def _rebuild(
        self,
        entity: str,
        by_summary: Mapping[str, Sequence[SeriesRecord]],
        book: Book,
        fresh: frozenset[PartKey],
        kept: Kept,
        span: tuple[int, int],
    ) -> set[int]:
        """Count the windows of *fresh* subjects again, into *kept*; return the changed ends."""
        reader = Reader(self._store.samples, self._edges.of(entity), Level.FIVE_MINUTES)
        slots, changed = book.slots, set()
        held = frozenset(slots.values())
        for summary in sorted({key.summary for key in fresh}):
            counted = next(one.counted for one in book.watched if one.key.summary == summary)
            columns = {summary: counted}
            for window in reader.base_windows(by_summary[summary], columns, *span):
                row = kept.setdefault(window.end_ns, {})
                for key, vector in window.counts.items():
                    if key in fresh:
                        row[slots[key]] = vector.astype(np.float32)
                        changed.add(window.end_ns)
        for end in changed:  # drop the counts in bins that are no longer used
            kept[end] = {slot: vector for slot, vector in kept[end].items() if slot in held}
        return changed


def _live_since(book: Book, otherwise_ns: int) -> int:
    """Return the start of the live traffic of an entity after a replay; 0 if there was none.

    Args:
        book: Subjects of the entity.
        otherwise_ns: Start if the requests were those of a replay up to now, Unix nanoseconds.
    """
    service = next((one for one in book.watched if one.key == PartKey(SERVICE)), None)
    if service is None:
        return 0
    return otherwise_ns if is_without_times(service.counted.column) else service.since_ns


def _renamed(
    book: Book,
    by_summary: Mapping[str, Sequence[SeriesRecord]],
    columns: Mapping[str, SummaryColumn],
    live_ns: int,
) -> tuple[Book, frozenset[PartKey]]:
    """Return the book of the current subjects, and the subjects whose column is new.

    Args:
        book: Subjects up to now.
        by_summary: Series of each summary.
        columns: Column of each summary.
        live_ns: Start of the live traffic after a replay, Unix nanoseconds; 0 without one.
    """
    before = {one.key: one for one in book.watched}
    watched, fresh, slot = [], set(), book.next_slot
    for summary in sorted(by_summary.keys() & columns.keys()):
        keys = [PartKey(summary)]
        labelled = sorted(by_summary[summary], key=lambda one: (-one.seen, one.labels.pairs))
        if len(labelled) > 1:
            some = [one for one in labelled if len(one.labels)]
            keys += [PartKey(summary, one.labels) for one in some[:MOST_SEGMENTS]]
        for key in sorted(keys):
            one = before.get(key)
            if one is None or not is_same(one.counted, columns[summary]):
                since_ns = 0 if one is None else one.since_ns
                if is_of_service(summary):  # the times of a replay are no normal values
                    since_ns = max(since_ns, live_ns)
                one = Watched(key=key, slot=slot, counted=columns[summary], since_ns=since_ns)
                slot += 1
                fresh.add(key)
            watched.append(one)
    return replace(book, watched=tuple(watched), next_slot=slot), frozenset(fresh)


def fitted(
    one: Watched,
    kept: Kept,
    until_ns: int,
    spans: Spans,
    rule: WatchRule,
    length_of: Callable[[Floats], int],
) -> Watched:
    """Return *one* with a baseline from the windows in *kept*.

    Args:
        one: Subject.
        kept: Counts of base windows, by their ends and slots.
        until_ns: End of the newest window that was judged.
        spans: Drifts, which baselines do not learn from.
        rule: Settings for the entity.
        length_of: Function that returns the length of the subject's windows, in base windows, from
            the rows of each base window.
    """
    column = one.counted.column
    ends = sorted(end for end, row in kept.items() if one.slot in row)
    if not ends:
        return one
    first = (ends[0] - BASE_NS) // DAY_NS * DAY_NS
    counts = np.zeros(((until_ns - first) // BASE_NS, column.width))
    for end in ends:
        counts[(end - first) // BASE_NS - 1] = kept[end][one.slot]
    rows = _rows_of(counts)
    length = length_of(rows)
    longer = merged(counts, length)
    starts = first + np.arange(len(longer), dtype=np.int64) * length * BASE_NS
    calendar = Calendar(
        window_seconds=length * BASE_SECONDS, zone=rule.zone, holidays=rule.holiday_dates
    )
    slots = calendar.slots(starts)
    longer_rows = merged(rows[:, None], length)[:, 0]
    begun = starts >= one.since_ns
    teach = begun & (longer_rows >= LEAST_ROWS_TO_LEARN)
    for slot, start_ns, end_ns in spans:
        if slot == one.slot:
            until = end_ns or until_ns
            teach &= (starts + length * BASE_NS <= start_ns) | (starts >= until)
    found = progress(slots, begun & (longer_rows > 0), teach)
    after = replace(
        one,
        phase=found.phase,
        next_ns=until_ns + found.days_left * DAY_NS if found.days_left else 0,
        frozen_ns=0 if found.freeze_left is None else until_ns + found.freeze_left * DAY_NS,
        quiet_ns=round(found.quiet_days * DAY_NS),
        length=length,
    )
    if found.phase is Phase.LEARNING:
        return replace(after, baseline=None, reason=Reason.LEARNING)
    baseline = learn(column, longer, slots, teach)
    if baseline.is_empty:
        return replace(after, baseline=None, reason=Reason.TOO_FEW)
    if baseline.unstable:
        return replace(after, baseline=baseline, reason=Reason.UNSTABLE_BASELINE)
    return replace(after, baseline=baseline, reason=None, frozen=found.frozen)


def _rows_of(counts: Floats) -> Floats:
    """Return the number of rows of each window."""
    totals = counts[:, -len(Total) :]
    values = totals[:, Total.NUMBERS] + totals[:, Total.CATEGORIES]
    return np.asarray(np.maximum(values, totals[:, Total.CELLS]))


def must_reset(before: Watched, after: Watched, rule: WatchRule) -> bool:
    """Return whether the new baseline differs so much that the evidence must start again."""
    if before.baseline is None or after.baseline is None or before.length != after.length:
        return True
    calendar = Calendar(window_seconds=after.length * BASE_SECONDS, zone=rule.zone)
    slots = calendar.slots(WEEK_STARTS)
    tolerance = rule.tolerance(after.key.summary, after.counted.tolerance)
    return has_moved(before.baseline, after.baseline, slots, tolerance)


def _rows(columns: Mapping[str, ReferenceColumn]) -> int:
    return max(column.feature.cells for column in columns.values())
