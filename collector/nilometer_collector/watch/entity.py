"""Advances the default alerter of one entity over closed base windows.

The state, the kept windows, and the changes of episodes of some windows are stored in one
transaction. A process that ends in between judges these windows again, with the same result.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.effects import Effect
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.group import History, PartEvent
from nilometer.alert.calibrated.judge import EntityState, Judge, Verdict
from nilometer.alert.calibrated.parts import PartChange
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store import EpisodeStep, NormalRecord, WatchRecord, WatchStep
from nilometer_collector.store.levels import Level
from nilometer_collector.watch.fitting import Fitter, judge_of
from nilometer_collector.watch.late import CHECK_NS, check, span_of
from nilometer_collector.watch.memory import (
    BASE_NS,
    DAY_NS,
    Book,
    Memory,
    saved_episodes,
)
from nilometer_collector.watch.normals import accepted_parts, anew, lapses, spans_after
from nilometer_collector.watch.notes import Notes
from nilometer_collector.watch.packing import packed, packed_window, unpacked, unpacked_window
from nilometer_collector.watch.reading import (
    BaseWindow,
    Reader,
    is_pooled,
    watched_series,
    without_gaps,
)
from nilometer_collector.watch.reporting import Hearing, report_of
from nilometer_collector.watch.sources import StateMoved, WatchedStore
from nilometer_collector.watch.tolerances import tolerance_of
from nilometer_collector.watch.usual import HOUR_NS, KEPT_HOURS

STEP_WINDOWS = 36  # base windows that are stored in one transaction
GONE_WINDOWS = 12  # windows without data of a label set until its open parts close
FIRST_DAYS = 15  # first days, whose windows are kept for frozen baselines of any version
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
        revision: Number of changes of the stored state so far.
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
        self.revision = 0
        self._memory: Memory | None = None
        self._book = Book()
        self._judge = Judge(())
        self._digest = ""
        self._past_ns = 0
        self._load(store.watching.load(entity))

    @property
    def end_ns(self) -> int:
        """End of the newest window that was judged; 0 before the first."""
        return 0 if self._memory is None else self._memory.end_ns

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
        self._past_ns = past_ns // BASE_NS * BASE_NS
        memory = self._memory or self._first()
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
        memory = self._memory
        if memory is None:
            return 0
        settled = lapses(memory.open_parts, normals)
        if all(settled.values()):
            return self._save(memory, None, [], [], None, now_ns, settled)
        return self._fitted(memory, now_ns, normals)[1]

    def report(self, hearing: Hearing) -> bytes:
        """Return the current status as the bytes of a `WatchReport`."""
        return report_of(self._book, self._memory, self.rule, hearing).to_bytes()

    def _load(self, record: WatchRecord | None) -> None:
        if record is None:
            return
        self.revision = record.revision
        self._memory = unpacked(record.state, Memory)
        if record.baselines:
            self._use(record.baselines)

    def _use(self, baselines: bytes) -> None:
        self._book = unpacked(baselines, Book)
        self._judge = judge_of(self._book, self.rule)
        self._digest = hashlib.blake2b(baselines, digest_size=8).hexdigest()

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
        kept: list[tuple[int, bytes]] = []
        steps: list[EpisodeStep] = []
        for window in self._windows(memory, stop_ns):
            memory = self._judged(memory, window, notes, kept, steps)
        if memory.end_ns - memory.late.checked_ns >= CHECK_NS and self._book.watched:
            memory = self._checked(memory, kept)
        return memory, self._save(memory, None, kept, steps, None, now_ns)

    def _checked(self, memory: Memory, kept: list[tuple[int, bytes]]) -> Memory:
        """Return *memory* with the late rows counted; add their windows to *kept*."""
        span = span_of(memory, self._past_ns)
        series = watched_series(self._store.samples, self._entity)
        reader = Reader(self._store.samples, self._edges.of(self._entity), Level.FIVE_MINUTES)
        judged = dict(self._rows(*span, kept))
        found = check(self._entity, reader, series, self._book, judged, memory.late, span)
        kept += [(end, packed_window(row)) for end, row in sorted(found.windows.items())]
        return replace(memory, late=found.late)

    def _fitted(
        self, memory: Memory, now_ns: int, normals: Sequence[NormalRecord] = ()
    ) -> tuple[Memory, int]:
        """Fit the baselines, judge with them from now on, and store the result."""
        references = self._fitter.fingerprint(self._entity)
        accepted = accepted_parts(memory.open_parts, normals)
        settled = lapses(memory.open_parts, normals)
        notes = Notes(self._entity, self.rule.budget_days, memory.open_parts, accepted)
        steps: list[EpisodeStep] = []
        book = anew(self._book, memory.open_parts, accepted)
        if accepted:
            state, verdict = self._judge.close(
                memory.state, accepted, memory.end_ns, PartChange.NEW_NORMAL
            )
            memory = self._noted(memory, state, verdict, notes, memory.end_ns, steps)
        fit = self._fitter.fit(self._entity, memory, book, self.rule, now_ns)
        baselines, before = packed(fit.book), self._judge
        self._use(baselines)
        state, verdict = self._judge.carried(memory.state, before, fit.reset, memory.end_ns)
        memory = self._noted(memory, state, verdict, notes, memory.end_ns, steps)
        slots = frozenset(self._book.slots.values())
        memory = replace(
            memory,
            fitted_ns=memory.end_ns,
            references=references,
            newest={slot: at for slot, at in memory.newest.items() if slot in slots},
        )
        windows, forget = list(fit.windows), self._forgotten(memory)
        return memory, self._save(memory, baselines, windows, steps, forget, now_ns, settled)

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
        has_moved = self._book.in_other_zone(self.rule.time_zone)
        if has_moved or memory.end_ns - memory.fitted_ns >= DAY_NS:
            return True
        return memory.references != self._fitter.fingerprint(self._entity)

    def _forgotten(self, memory: Memory) -> tuple[int, int]:
        """Return the span of kept windows that are no longer needed."""
        onset = min((part.record.onset_ns for part in memory.open_parts), default=memory.end_ns)
        if all(one.frozen for one in self._book.watched):
            learned_ns = max((one.frozen_ns for one in self._book.watched), default=0)
            since_ns = max(learned_ns, memory.begun_ns + FIRST_DAYS * DAY_NS)
            return since_ns, min(onset, memory.end_ns - RECENT_DAYS * DAY_NS)
        return 0, min(onset, memory.learning_ns)

    def _save(
        self,
        memory: Memory,
        baselines: bytes | None,
        windows: list[tuple[int, bytes]],
        steps: list[EpisodeStep],
        forget: tuple[int, int] | None,
        now_ns: int,
        settled: Mapping[int, bool] | None = None,
    ) -> int:
        hearing = Hearing(now_ns=now_ns, heard_ns=now_ns, started_ns=now_ns)
        step = WatchStep(
            revision=self.revision,
            state=packed(memory),
            baselines=baselines,
            report=report_of(self._book, memory, self.rule, hearing).to_bytes(),
            windows=windows,
            forget=forget,
            episodes=steps,
            settled=settled or {},
        )
        queued = self._store.watching.save(self._entity, step, now_ns)
        if queued is None:
            raise StateMoved(self._entity)
        self.revision += 1
        self._memory = memory
        return queued

    # Windows

    def _windows(self, memory: Memory, stop_ns: int) -> Iterator[BaseWindow]:
        """Read the base windows after the last one, including windows without data."""
        columns = {one.key.summary: one.counted for one in self._book.watched}
        series = [
            one
            for one in watched_series(self._store.samples, self._entity)
            if one.last_end_ns > memory.end_ns
        ]
        reader = Reader(self._store.samples, self._edges.of(self._entity))
        return without_gaps(
            reader.base_windows(series, columns, memory.end_ns, stop_ns), memory.end_ns, stop_ns
        )

    def _judged(
        self,
        memory: Memory,
        window: BaseWindow,
        notes: Notes,
        kept: list[tuple[int, bytes]],
        steps: list[EpisodeStep],
    ) -> Memory:
        """Return the state after *window*; collect the changes to store."""
        end_ns, slots = window.end_ns, self._book.slots
        row = {slots[key]: vector for key, vector in window.counts.items() if key in slots}
        if row:
            kept.append((end_ns, packed_window(row)))
        memory = replace(memory, end_ns=end_ns)
        if window.has_data:
            is_live, is_holiday = end_ns > self._past_ns, self.rule.is_holiday
            memory = memory.with_data(row, is_live=is_live, is_holiday=is_holiday)
        if end_ns <= self._past_ns:
            return memory
        counts = self._due(window, kept)
        state, verdict = self._judge.advance(memory.state, counts, end_ns)
        memory = self._noted(memory, state, verdict, notes, end_ns, steps, kept)
        gone = self._gone(memory, notes, window)
        if gone:
            state, verdict = self._judge.close(memory.state, gone, end_ns)
            memory = self._noted(memory, state, verdict, notes, end_ns, steps, kept)
        return memory

    def _due(self, window: BaseWindow, kept: list[tuple[int, bytes]]) -> Mapping[PartKey, Floats]:
        """Return the counts of all subjects whose window ends now."""
        due = self._judge.due(window.end_ns)
        longest = min(due.values(), default=window.end_ns)
        if window.end_ns - longest <= BASE_NS:
            return window.counts
        lengths, slots = self._judge.lengths, self._book.slots
        wanted = {key: slots[key] for key in due if lengths[key] > 1}
        found = {key: window.counts[key] for key in due if key in window.counts}
        for end, row in self._rows(longest, window.end_ns - BASE_NS, kept):
            for key, slot in wanted.items():
                if end > due[key] and slot in row:
                    found[key] = found[key] + row[slot] if key in found else row[slot]
        return found

    def _rows(
        self, start_ns: int, end_ns: int, kept: list[tuple[int, bytes]]
    ) -> Iterator[tuple[int, dict[int, Floats]]]:
        """Read the counts of the base windows that end in ``(start_ns, end_ns]``, in order."""
        stored = dict(self._store.watching.windows(self._entity, start_ns, end_ns))
        stored |= {end: content for end, content in kept if start_ns < end <= end_ns}
        for end in sorted(stored):
            yield end, unpacked_window(stored[end])

    def _gone(self, memory: Memory, notes: Notes, window: BaseWindow) -> list[PartKey]:
        """Return the open parts of label sets, such as an old version, that get no more data."""
        slots = self._book.slots
        found = []
        for key in notes.open_parts:
            newest = memory.newest.get(slots.get(key, -1), 0)
            silent = (window.end_ns - newest) // BASE_NS
            length = self._judge.lengths.get(key, 1)
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
        steps: list[EpisodeStep],
        kept: list[tuple[int, bytes]] | None = None,
    ) -> Memory:
        """Record the changes of episodes, and return *memory* with the new state."""
        if verdict.parts:
            measure = partial(self._measured, end_ns=end_ns, kept=kept or [])
            episodes, new = notes.take(verdict, state.episodes, end_ns, measure, self._digest)
            state = replace(state, episodes=episodes)
            steps += new
            oldest_ns = memory.learning_ns
            spans = spans_after(memory.episode_spans, self._book.slots, verdict, end_ns, oldest_ns)
            memory = replace(memory, episode_spans=spans)
        return replace(
            memory,
            models=state.models,
            episodes=saved_episodes(state.episodes.open.values()),
            next_episode=state.episodes.next_id,
            open_parts=tuple(notes.open_parts.values()),
        )

    def _measured(
        self, event: PartEvent, *, end_ns: int, kept: list[tuple[int, bytes]]
    ) -> tuple[Effect | None, float]:
        """Return the effect of a part that opens, since its onset, and its tolerance."""
        watched = self._book.of(event.key)
        length_ns = watched.length * BASE_NS
        first = event.onset_ns // length_ns * length_ns
        counts = np.zeros(((end_ns - first) // length_ns, watched.counted.column.width))
        for end, row in self._rows(first, end_ns, kept):
            place = (end - 1 - first) // length_ns
            if watched.slot in row and place < len(counts):
                counts[place] += row[watched.slot]
        starts = first + np.arange(len(counts), dtype=np.int64) * length_ns
        effect = self._judge.effect(event.key, event.stream, History(starts, counts))
        return effect, tolerance_of(watched, event.stream.component, self.rule, end_ns - length_ns)
