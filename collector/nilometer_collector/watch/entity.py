"""Advances the default alerter of one entity over closed base windows.

The state, the kept windows, and the changes of episodes of some windows are stored in one
transaction. A process that ends in between judges these windows again, with the same result.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from nilometer.alert.calibrated.counting import is_pooled
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.group import PartEvent
from nilometer.alert.calibrated.judge import EntityState, Verdict
from nilometer.alert.calibrated.limits import tolerance_of, usual_of
from nilometer.alert.calibrated.packing import packed
from nilometer.alert.calibrated.parts import PartChange
from nilometer.alert.calibrated.service import median_of
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.alert.calibrated.words import has_times, has_usual_share, medians_clause
from nilometer.values.entity import stored_summary
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store import NormalRecord
from nilometer_collector.store.levels import Level
from nilometer_collector.watch.fitting import Fitter
from nilometer_collector.watch.kept_windows import KeptWindows
from nilometer_collector.watch.late import CHECK_NS, Looked, check, span_of
from nilometer_collector.watch.memory import DAY_NS, Memory
from nilometer_collector.watch.normals import accepted_parts, anew, lapses
from nilometer_collector.watch.notes import Measured, Notes
from nilometer_collector.watch.packing import packed_window
from nilometer_collector.watch.performance.watch import PerformanceWatch
from nilometer_collector.watch.reading import BaseWindow, Reader, watched_series, without_gaps
from nilometer_collector.watch.reporting import Hearing
from nilometer_collector.watch.sources import WatchedStore
from nilometer_collector.watch.state import Changes, StoredState
from nilometer_collector.watch.usual import HOUR_NS, KEPT_HOURS
from nilometer_collector.watch.verdicts import with_verdict

STEP_WINDOWS = 36  # base windows that are stored in one transaction
GONE_WINDOWS = 12  # windows without data of a label set until its open parts close
FIRST_DAYS = 15  # first days, whose windows are kept for frozen baselines of any version
# Agents that are cut off open the incident of the next episode. If no episode follows, a later one must
# not join that incident, so numbers are skipped daily, except while stored windows are judged.
REPLAY_NS = 4 * BASE_NS  # wall time after its end from which a window is one of a replay
RECENT_DAYS = 3  # days of windows that are kept after the baselines are frozen

log = logging.getLogger("nilometer.collector")


class EntityWatch:
    """Advances the default alerter of one entity. Not thread-safe: one thread calls it.

    Args:
        entity: Name of the entity.
        rule: Settings for the entity.
        store: Store of samples, state and episodes.
        edges: Edges of references.
        fitter: Fitter of baselines.

    Attributes:
        rule: Settings for the entity.
    """

    def __init__(
        self,
        entity: str,
        rule: WatchRule,
        store: WatchedStore,
        edges: ReferenceEdges,
        fitter: Fitter,
    ) -> None:
        self._entity = entity
        self.rule = rule
        self._store = store
        self._edges = edges
        self._fitter = fitter
        self._state = StoredState(entity, rule, store)
        self._kept = KeptWindows(entity, store)
        self._looked = Looked()
        self._performance = PerformanceWatch(self._state, store, edges)
        self._past_ns = 0

    @property
    def revision(self) -> int:
        """Number of changes of the stored state so far."""
        return self._state.revision

    @property
    def end_ns(self) -> int:
        """End of the newest window that was judged; 0 before the first."""
        return 0 if self._state.memory is None else self._state.memory.end_ns

    def advance(self, until_ns: int, now_ns: int, past_ns: int) -> Iterator[int]:
        """Judge every base window that ends after *past_ns* and up to *until_ns*, in steps.

        Args:
            until_ns: Time up to which all data has arrived.
            now_ns: Wall time now.
            past_ns: End of the past windows of tables, which baselines learn from but which are not
                judged.

        Yields:
            The number of notifications queued by each step, after the step is stored.
        """
        yield from self._advance(until_ns, now_ns, past_ns)
        yield from self._performance.advance(now_ns)

    def _advance(self, until_ns: int, now_ns: int, past_ns: int) -> Iterator[int]:
        """Judge the base windows of all summaries except performance; see `advance`."""
        self._past_ns = past_ns // BASE_NS * BASE_NS
        memory = self._state.memory or self._first()
        if memory is None:
            return
        if memory.fitted_ns == memory.begun_ns:  # baselines may still learn from past windows
            first = self._first()
            memory = first if first is not None and first.begun_ns < memory.begun_ns else memory
        until_ns = until_ns // BASE_NS * BASE_NS
        while True:
            if self._must_fit(memory):
                memory, queued = self._fitted(memory, now_ns)
                yield queued
            if memory.end_ns >= until_ns:
                return
            memory = self._skipped(memory, until_ns)
            fit_ns = max(memory.fitted_ns + DAY_NS, memory.end_ns + BASE_NS)
            pause_ns = self._past_ns if memory.end_ns < self._past_ns else fit_ns
            stop = min(until_ns, memory.end_ns + STEP_WINDOWS * BASE_NS, pause_ns)
            memory, queued = self._step(memory, stop, now_ns)
            yield queued

    def accept(self, normals: Sequence[NormalRecord], now_ns: int) -> int:
        """Close the open parts of *normals*; their baselines learn again from the onset on.

        New normals whose parts have closed before lapse.

        Returns:
            The number of notifications queued.
        """
        memory = self._state.memory
        if memory is None:
            return 0
        settled = lapses(memory.open_parts, normals)
        if all(settled.values()):
            return self._state.save(memory, Changes(settled=settled), now_ns)
        return self._fitted(memory, now_ns, normals)[1]

    def report(self, hearing: Hearing) -> bytes:
        """Return the current status as the bytes of a `WatchReport`."""
        return self._state.report(hearing)

    def _first(self) -> Memory | None:
        """Return the state before the first window; None without data."""
        starts = [one.first_start_ns for one in watched_series(self._store.samples, self._entity)]
        if not starts:
            return None
        begun = max(min(starts) // BASE_NS * BASE_NS, self._past_ns - KEPT_HOURS * HOUR_NS)
        return Memory(begun_ns=begun, end_ns=begun, data_ns=begun, fitted_ns=begun)

    def _step(self, memory: Memory, stop_ns: int, now_ns: int) -> tuple[Memory, int]:
        """Judge the windows up to *stop_ns*, and store the result."""
        notes = Notes(self._entity, self.rule.budget_days, memory.open_parts)
        changes = Changes()
        for window in self._windows(memory, stop_ns):
            memory = self._judged(memory, window, notes, changes)
        if memory.end_ns - memory.late.checked_ns >= CHECK_NS and self._state.book.watched:
            memory = self._checked(memory, changes)
        return memory, self._state.save(memory, changes, now_ns)

    def _checked(self, memory: Memory, changes: Changes) -> Memory:
        """Return *memory* with the late rows counted; add their windows to *changes*."""
        span = span_of(memory, self._past_ns)
        series = watched_series(self._store.samples, self._entity)
        reader = Reader(self._store.samples, self._edges.of(self._entity), Level.FIVE_MINUTES)
        judged = dict(self._kept.rows(*span, changes.windows))
        book = self._state.book
        found = check(self._entity, reader, series, book, judged, self._looked, memory.late, span)
        changes.windows += [(end, packed_window(row)) for end, row in sorted(found.windows.items())]
        return replace(memory, late=found.late)

    def _fitted(
        self, memory: Memory, now_ns: int, normals: Sequence[NormalRecord] = ()
    ) -> tuple[Memory, int]:
        """Fit the baselines, judge with them from now on, and store the result."""
        references = self._fitter.fingerprint(self._entity)
        accepted = accepted_parts(memory.open_parts, normals)
        changes = Changes(settled=lapses(memory.open_parts, normals))
        notes = Notes(self._entity, self.rule.budget_days, memory.open_parts, accepted)
        book = anew(self._state.book, memory.open_parts, accepted)
        if accepted:
            state, verdict = self._state.judge.close(
                memory.state, accepted, memory.end_ns, PartChange.NEW_NORMAL
            )
            memory = self._noted(memory, state, verdict, notes, memory.end_ns, changes)
            memory = self._performance.close(memory, accepted, notes, changes)
        fit = self._fitter.fit(self._entity, memory, book, self.rule, now_ns)
        changes.baselines, before = packed(fit.book), self._state.judge
        late_before = self._state.performance_judges
        self._state.use(changes.baselines)
        state, verdict = self._state.judge.carried(memory.state, before, fit.reset, memory.end_ns)
        memory = self._noted(memory, state, verdict, notes, memory.end_ns, changes)
        memory = self._performance.carried(memory, late_before, (), notes, changes)
        slots = frozenset(self._state.book.slots.values())
        memory = replace(
            memory,
            fitted_ns=memory.end_ns,
            references=references,
            newest={slot: at for slot, at in memory.newest.items() if slot in slots},
            next_episode=memory.next_episode + int(now_ns - memory.end_ns < REPLAY_NS),
        )
        changes.windows, changes.forget = list(fit.windows), self._forgotten(memory)
        return memory, self._state.save(memory, changes, now_ns)

    def _skipped(self, memory: Memory, until_ns: int) -> Memory:
        """Skip a long gap in the data, unless open parts may close in it; return the new state."""
        if memory.open_parts or memory.end_ns - memory.data_ns < HOUR_NS:
            return memory
        series = watched_series(self._store.samples, self._entity)
        reader = Reader(self._store.samples, self._edges.of(self._entity))
        return replace(memory, end_ns=reader.next_data_ns(series, memory.end_ns, until_ns))

    def _must_fit(self, memory: Memory) -> bool:
        if memory.end_ns < self._past_ns or memory.end_ns - memory.begun_ns < DAY_NS:
            return False
        has_moved = self._state.book.in_other_zone(self.rule.time_zone)
        if has_moved or memory.end_ns - memory.fitted_ns >= DAY_NS:
            return True
        return memory.references != self._fitter.fingerprint(self._entity)

    def _forgotten(self, memory: Memory) -> tuple[int, int]:
        """Return the span of kept windows that are no longer needed."""
        watched = self._state.book.watched
        onset = min((part.record.onset_ns for part in memory.open_parts), default=memory.end_ns)
        if all(one.frozen for one in watched):
            learned_ns = max((one.frozen_ns for one in watched), default=0)
            since_ns = max(learned_ns, memory.begun_ns + FIRST_DAYS * DAY_NS)
            return since_ns, min(onset, memory.end_ns - RECENT_DAYS * DAY_NS)
        return 0, min(onset, memory.learning_ns)

    # Windows

    def _windows(self, memory: Memory, stop_ns: int) -> Iterator[BaseWindow]:
        """Read the base windows after the last one, including windows without data."""
        columns = {one.key.summary: one.counted for one in self._state.book.watched}
        series = [
            one
            for one in watched_series(self._store.samples, self._entity)
            if one.last_end_ns > memory.end_ns
        ]
        reader = Reader(self._store.samples, self._edges.of(self._entity))
        return without_gaps(
            reader.base_windows(series, columns, memory.end_ns, stop_ns), memory.end_ns, stop_ns
        )

    def _judged(self, memory: Memory, window: BaseWindow, notes: Notes, changes: Changes) -> Memory:
        """Return the state after *window*; collect the changes to store."""
        end_ns, slots, judge = window.end_ns, self._state.book.slots, self._state.judge
        row = {slots[key]: vector for key, vector in window.counts.items() if key in slots}
        if row:
            changes.windows.append((end_ns, packed_window(row)))
        memory = replace(memory, end_ns=end_ns)
        if window.has_data:
            is_live, is_holiday = end_ns > self._past_ns, self.rule.is_holiday
            memory = memory.with_data(row, is_live=is_live, is_holiday=is_holiday)
        if end_ns <= self._past_ns:
            return memory
        counts = self._kept.due(judge, self._state.book, window, changes.windows)
        state, verdict = judge.advance(memory.state, counts, end_ns)
        memory = self._noted(memory, state, verdict, notes, end_ns, changes)
        gone = self._gone(memory, notes, window)
        if gone:
            state, verdict = judge.close(memory.state, gone, end_ns)
            memory = self._noted(memory, state, verdict, notes, end_ns, changes)
        return memory

    def _gone(self, memory: Memory, notes: Notes, window: BaseWindow) -> list[PartKey]:
        """Return the open parts of label sets, such as an old version, that get no more data."""
        slots = self._state.book.slots
        found = []
        for key in notes.open_parts:
            newest = memory.newest.get(slots.get(key, -1), 0)
            silent = (window.end_ns - newest) // BASE_NS
            length = self._state.judge.lengths.get(key, 1)
            others_go_on = PartKey(key.summary) in window.counts
            if not is_pooled(key) and others_go_on and silent > GONE_WINDOWS * length:
                found.append(key)
        return found

    # Episodes

    def _noted(
        self,
        memory: Memory,
        state: EntityState,
        verdict: Verdict,
        notes: Notes,
        end_ns: int,
        changes: Changes,
    ) -> Memory:
        """Record the changes of episodes, and return *memory* with the new state."""
        measure = partial(self._measured, end_ns=end_ns, changes=changes)
        memory = with_verdict(
            self._state, memory, state.episodes, verdict, notes, measure, end_ns, changes
        )
        return replace(memory, models=state.models)

    def _measured(self, event: PartEvent, *, end_ns: int, changes: Changes) -> Measured:
        """Return the effect of a part that opens, since its onset, and its tolerance."""
        watched, component = self._state.book.of(event.key), event.stream.component
        history = self._kept.history(watched, event.onset_ns, end_ns, changes.windows)
        effect = self._state.judge.effect(event.key, event.stream, history)
        start_ns = end_ns - watched.length * BASE_NS
        judged = self._state.judge.judged(event.key)
        is_holiday = self.rule.is_holiday(start_ns)
        tolerance = tolerance_of(judged, component, is_holiday=is_holiday)
        is_share = has_usual_share(event.key.summary, component)
        has_usual = is_share or watched.counted.expected is not None
        usual = usual_of(judged, component) if has_usual else None
        also = ""
        if has_times(event.key.summary, component):
            also = self._medians(event.key, event.onset_ns, end_ns)
        return Measured(effect, tolerance, usual, also)

    def _medians(self, key: PartKey, onset_ns: int, end_ns: int) -> str:
        """Return the median times of a part of the service before and since its onset."""
        series = [
            one
            for one in self._store.samples.series(self._entity, stored_summary(key.summary))
            if is_pooled(key) or one.labels == key.labels
        ]
        reader = Reader(self._store.samples, self._edges.of(self._entity), Level.FIVE_MINUTES)
        spans = ((onset_ns - DAY_NS, onset_ns), (onset_ns, end_ns))
        before, since = (median_of(key.summary, reader.contents(series, *span)) for span in spans)
        return medians_clause(key.summary, before, since)
