"""Advances the performance summaries of one entity, each as far as its labels have arrived."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

from nilometer.alert.calibrated.columns import Total
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.group import History, PartEvent
from nilometer.alert.calibrated.judge import EntityState, Judge, Verdict
from nilometer.alert.calibrated.limits import tolerance_of, usual_of
from nilometer.alert.calibrated.model import Judged
from nilometer.alert.calibrated.packing import packed
from nilometer.alert.calibrated.parts import PartChange
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.alert.calibrated.words import percent
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.ground_truth.maturity import MaturityRule
from nilometer_collector.query.definitions import maturity_rule
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store import SeriesRecord
from nilometer_collector.watch.labelled.columns import ERROR_RATE
from nilometer_collector.watch.labelled.selection import selection_of
from nilometer_collector.watch.labelled.status import selected
from nilometer_collector.watch.labelled.windows import (
    PerformanceReader,
    performance_summaries,
    scored_rows,
)
from nilometer_collector.watch.memory import DAY_NS, Memory
from nilometer_collector.watch.notes import Measure, Measured, Notes, unmeasured
from nilometer_collector.watch.performance.fitting import fit, length_of, must_fit
from nilometer_collector.watch.performance.judging import (
    Decided,
    Decision,
    decided,
    due_counts,
    history,
    recorded,
)
from nilometer_collector.watch.performance_memory import PerformanceMemory
from nilometer_collector.watch.sources import WatchedStore
from nilometer_collector.watch.state import Changes, StoredState
from nilometer_collector.watch.usual import HOUR_NS
from nilometer_collector.watch.verdicts import with_verdict

PAUSE_NS = 60 * NANOSECONDS  # time between two looks for labels
COMPARE_NS = 6 * HOUR_NS  # time between two comparisons of labelled predictions with all
STEP_WINDOWS = 36  # windows that are stored in one transaction


class PerformanceWatch:
    """Advances the performance summaries of one entity. Not thread-safe: one thread calls it.

    Args:
        stored: State of the entity.
        store: Store of its samples.
        edges: Edges of references.
    """

    def __init__(self, stored: StoredState, store: WatchedStore, edges: ReferenceEdges) -> None:
        self._stored = stored
        self._store = store
        self._edges = edges
        self._looked_ns = -PAUSE_NS  # wall time at which it last looked for labels
        self._known: dict[str, bool] = {}  # whether each summary holds performance

    def advance(self, now_ns: int) -> Iterator[int]:
        """Judge the windows that have become mature, in steps.

        Args:
            now_ns: Wall time now.

        Yields:
            The number of notifications queued by each step, after the step is stored.
        """
        if self._stored.memory is None or 0 <= now_ns - self._looked_ns < PAUSE_NS:
            return
        self._looked_ns = now_ns
        entity = self._stored.entity
        series = self._store.samples.series(entity)
        for summary in performance_summaries(self._store.samples, series, self._known):
            edges_of = self._edges.of(entity)
            reader = PerformanceReader(self._store.samples, edges_of, summary, series)
            yield from self._advance(reader, maturity_rule(self._store, entity, summary), now_ns)

    def close(
        self, memory: Memory, keys: Collection[PartKey], notes: Notes, changes: Changes
    ) -> Memory:
        """Close the parts of *keys* because a person accepted a new normal; return the new state."""
        end_ns = memory.end_ns
        for summary, judge in self._stored.performance_judges.items():
            before = _state_of(memory, summary)
            state, verdict = judge.close(before, keys, end_ns, PartChange.NEW_NORMAL)
            memory = self._noted(memory, summary, state, verdict, notes, end_ns, changes)
        return memory

    def carried(
        self,
        memory: Memory,
        before: Mapping[str, Judge],
        reset: Collection[PartKey],
        notes: Notes,
        changes: Changes,
    ) -> Memory:
        """Return *memory* for the current judges, which replace the judges *before*."""
        for summary, judge in self._stored.performance_judges.items():
            own = memory.performance.get(summary)
            if own is None:
                continue
            known = before.get(summary, Judge(()))
            state, verdict = judge.carried(_state_of(memory, summary), known, reset, own.end_ns)
            memory = self._noted(memory, summary, state, verdict, notes, memory.end_ns, changes)
        return memory

    def _advance(
        self, reader: PerformanceReader, mature: MaturityRule, now_ns: int
    ) -> Iterator[int]:
        summary = reader.summary
        while (memory := self._stored.memory) is not None:
            known = memory.performance.get(summary)
            own = _begun(reader.series) if known is None else known
            if must_fit(own):
                yield self._fitted(reader, memory, own, mature, now_ns)
                continue
            own = recorded(reader, own, now_ns)
            memory, changes = with_own(memory, summary, own), Changes()
            notes = Notes(self._stored.entity, self._stored.rule.budget_days, memory.open_parts)
            is_over = True
            length = length_of(self._stored.book, reader)
            for one in islice(decided(reader, own, length, mature, now_ns), STEP_WINDOWS):
                memory = self._judged(reader, memory, one, notes, changes)
                is_over = one.decision is Decision.WAITS
                if one.memory.end_ns >= max(own.fitted_ns + DAY_NS, own.live_ns):
                    break
            memory = _compared(reader, memory)
            if known is None or _differ(known, memory.performance[summary]):
                yield self._stored.save(memory, changes, now_ns)
            if is_over:
                return

    def _fitted(
        self,
        reader: PerformanceReader,
        memory: Memory,
        own: PerformanceMemory,
        mature: MaturityRule,
        now_ns: int,
    ) -> int:
        """Fit the baselines of the summary, judge with them from now on, and store the result."""
        stored, changes = self._stored, Changes()
        spans, least_share = memory.episode_spans, mature.least_share
        found = fit(reader, own, stored.book, spans, stored.rule, least_share)
        notes = Notes(stored.entity, stored.rule.budget_days, memory.open_parts)
        before = stored.performance_judges
        changes.baselines = packed(found.book)
        stored.use(changes.baselines)
        memory = with_own(memory, reader.summary, replace(own, fitted_ns=own.end_ns))
        memory = self.carried(memory, before, found.reset, notes, changes)
        return stored.save(memory, changes, now_ns)

    def _judged(
        self,
        reader: PerformanceReader,
        memory: Memory,
        one: Decided,
        notes: Notes,
        changes: Changes,
    ) -> Memory:
        """Return the state after a decided window."""
        summary, end_ns = reader.summary, one.window.end_ns
        before = _state_of(memory, summary)
        memory = with_own(memory, summary, replace(one.memory, models=before.models))
        judge = self._stored.performance_judges.get(summary)
        is_decided = one.decision in (Decision.JUDGED, Decision.PASSED_OVER)
        if judge is None or not is_decided or end_ns <= one.memory.live_ns:
            return memory
        counts = {}
        if one.decision is Decision.JUDGED:
            counts = due_counts(reader, judge, self._stored.book, one.window, one.needed)
        state, verdict = judge.advance(before, counts, end_ns)
        measure = partial(self._measured, reader=reader, judge=judge, end_ns=end_ns)
        return self._noted(memory, summary, state, verdict, notes, end_ns, changes, measure)

    def _noted(
        self,
        memory: Memory,
        summary: str,
        state: EntityState,
        verdict: Verdict,
        notes: Notes,
        end_ns: int,
        changes: Changes,
        measure: Measure = unmeasured,
    ) -> Memory:
        """Record the changes of episodes, and return *memory* with the new state of *summary*."""
        memory = with_verdict(
            self._stored, memory, state.episodes, verdict, notes, measure, end_ns, changes
        )
        own = memory.performance.get(summary)
        if own is None:
            return memory
        return with_own(memory, summary, replace(own, models=state.models))

    def _measured(
        self, event: PartEvent, *, reader: PerformanceReader, judge: Judge, end_ns: int
    ) -> Measured:
        """Return the effect of a part that opens, since its onset, its tolerance and what is usual."""
        watched, component = self._stored.book.of(event.key), event.stream.component
        found = history(reader, watched, event.onset_ns, end_ns)
        effect = judge.effect(event.key, event.stream, found)
        start_ns = end_ns - watched.length * BASE_NS
        judged, is_holiday = judge.judged(event.key), self._stored.rule.is_holiday(start_ns)
        tolerance = tolerance_of(judged, component, is_holiday=is_holiday)
        also = "" if component == ERROR_RATE else _error_rate(judged, found)
        own = self._stored.memory.performance.get(reader.summary) if self._stored.memory else None
        if own is not None and own.selection is not None:
            also += selected(own.selection)
        return Measured(effect, tolerance, usual_of(judged, component), also)


def _error_rate(judged: Judged, found: History) -> str:
    """Return the error rate of a classifier in words; empty for other performance."""
    column, usual = judged.column, usual_of(judged, ERROR_RATE)
    rows = float(found.counts[:, Total.CELLS - len(Total)].sum())
    if usual is None or not rows:
        return ""
    place = column.bins + [rate.name for rate in column.rates].index(ERROR_RATE)
    now = float(found.counts[:, place].sum()) / rows
    return f"; the error rate is {percent(now)} (usual {percent(usual)})"


def _compared(reader: PerformanceReader, memory: Memory) -> Memory:
    """Return *memory* with labelled predictions of the last day compared with all, now and then."""
    own = memory.performance[reader.summary]
    compared_ns = own.begun_ns if own.selection is None else own.selection.at_ns
    if not own.judged or own.end_ns - compared_ns < COMPARE_NS:
        return memory
    span = (own.end_ns - DAY_NS, own.end_ns)
    labelled, scores = scored_rows(reader.window(*span)), reader.scores(*span)
    if labelled is None or scores is None:
        return memory
    found = selection_of(labelled, scores, own.end_ns)
    return (
        memory if found is None else with_own(memory, reader.summary, replace(own, selection=found))
    )


def with_own(memory: Memory, summary: str, own: PerformanceMemory) -> Memory:
    """Return *memory* with *own*, the state of one summary."""
    return replace(memory, performance={**memory.performance, summary: own})


def _state_of(memory: Memory, summary: str) -> EntityState:
    own = memory.performance.get(summary)
    models = {} if own is None else own.models
    return EntityState(models=models, episodes=memory.entity_episodes)


def _differ(before: PerformanceMemory, after: PerformanceMemory) -> bool:
    """Return whether the state must be stored: more labels of a waiting window can wait."""
    old, new = before.waiting, after.waiting
    if old is not None and new is not None and old.end_ns == new.end_ns:
        before = replace(before, waiting=new)
    return before != after


def _begun(series: Sequence[SeriesRecord]) -> PerformanceMemory:
    start_ns = min(one.first_start_ns for one in series) // BASE_NS * BASE_NS
    return PerformanceMemory.begun(start_ns, max(one.last_end_ns for one in series))
