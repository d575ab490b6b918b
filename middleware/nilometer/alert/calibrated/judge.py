"""The judge of an entity: takes the counts of windows, and returns openings and closings.

Columns are judged over windows of different lengths, because a column with few rows needs longer
windows. All columns share one budget and one set of episodes.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, tzinfo
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nilometer.alert.calibrated.baseline import merged
from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.effects import Effect, effect_of
from nilometer.alert.calibrated.episodes import NO_CHANGES, EntityEpisodes, EpisodeChanges, PartKey
from nilometer.alert.calibrated.evidence import BUDGET, Budget, EvidenceState
from nilometer.alert.calibrated.model import Judged, Model, Stream
from nilometer.alert.calibrated.parts import Change, ModelState, PartChange, advance
from nilometer.alert.calibrated.slots import DAY_SECONDS, NS_PER_SECOND, Calendar

BASE_SECONDS = 300  # length of a base window
CHUNK = 288  # windows that are scored at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A summary and label set that is judged.

    Attributes:
        key: Summary and label set.
        judged: Column with its baseline and its tolerance.
        length: Length of its windows in base windows; one of `baseline.LENGTHS`.
        share: Share of the entity's budget, above 0. All shares of an entity add up to at most 1.
    """

    key: PartKey
    judged: Judged
    length: int
    share: float


Times = NDArray[np.int64]


class History(NamedTuple):
    """Earlier windows of one subject at its length, in order of time.

    Attributes:
        starts_ns: Starts of the windows, Unix nanoseconds, shape (W,).
        counts: Vectors of the column, shape (W, width).
    """

    starts_ns: Times
    counts: Floats


@dataclass(frozen=True, slots=True)
class PartEvent:
    """A part that opened or closed.

    Attributes:
        key: Summary and label set.
        change: Whether the part opened, or how it closed.
        stream: Component that drifted, and its direction.
        onset_ns: Estimated start of the drift, Unix nanoseconds.
        log_evidence: Natural logarithm of evidence divided by budget, for an opening; else 0.
    """

    key: PartKey
    change: PartChange
    stream: Stream
    onset_ns: int
    log_evidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The changes by the windows that close at one time.

    Attributes:
        told: Episodes that opened or closed, and parts that joined one.
        parts: Parts that opened or closed.
    """

    told: EpisodeChanges = NO_CHANGES
    parts: tuple[PartEvent, ...] = ()


NOTHING = Verdict()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityState:
    """The state of an entity between windows.

    Attributes:
        models: State of the model of each window length.
        episodes: Open episodes.
    """

    models: Mapping[int, ModelState] = field(default_factory=dict)
    episodes: EntityEpisodes = field(default_factory=EntityEpisodes)


class Judge:
    """Judges the closed windows of one entity.

    Args:
        subjects: Summaries and label sets to judge.
        base_seconds: Length of a base window, a divisor of a day.
        zone: Time zone of the entity.
        holidays: Local dates that are holidays, a separate kind of day.
        budget: Mean number of base windows between false alarms of the entity.
    """

    def __init__(
        self,
        subjects: Iterable[Subject],
        *,
        base_seconds: int = BASE_SECONDS,
        zone: tzinfo = UTC,
        holidays: Container[date] = frozenset(),
        budget: float = BUDGET,
    ) -> None:
        self._base_ns = base_seconds * NS_PER_SECOND
        by_length: dict[int, list[Subject]] = {}
        for subject in subjects:
            by_length.setdefault(subject.length, []).append(subject)
        self._groups = {
            length: _Group(
                members,
                Calendar(window_seconds=length * base_seconds, zone=zone, holidays=holidays),
                length,
                budget,
            )
            for length, members in sorted(by_length.items())
        }

    def due(self, end_ns: int) -> dict[PartKey, int]:
        """Return the subjects whose window closes at *end_ns*, each with the start of its window.

        Windows are aligned to midnight of UTC.
        """
        return {
            key: end_ns - length * self._base_ns
            for length, group in self._due(end_ns)
            for key in group.keys
        }

    def advance(
        self, state: EntityState, counts: Mapping[PartKey, Floats], end_ns: int
    ) -> tuple[EntityState, Verdict]:
        """Return the state after the windows that close at *end_ns*, and the changes.

        Args:
            state: State after all earlier windows.
            counts: Vector of each subject of `due`; a subject without data may be left out.
            end_ns: End of the windows, Unix nanoseconds.
        """
        scores = {
            length: group.scores(
                group.joined({key: vector[None] for key, vector in counts.items()}, 1),
                np.array([end_ns - length * self._base_ns], np.int64),
            )[0]
            for length, group in self._due(end_ns)
        }
        return self._advance(state, scores, end_ns)

    def replay(
        self, state: EntityState, counts: Mapping[PartKey, Floats], start_ns: int
    ) -> Iterator[tuple[EntityState, Verdict]]:
        """Judge many base windows; gives the same results as `advance` for each, but faster.

        Args:
            state: State before the first window.
            counts: Vectors of each subject in each base window, shape (W, width).
            start_ns: Start of the first window, a midnight of UTC, Unix nanoseconds.

        Yields:
            The state after each base window, and the changes.
        """
        windows = max((len(vectors) for vectors in counts.values()), default=0)
        scores = {}
        for length, group in self._groups.items():
            longer = {key: merged(vectors, length) for key, vectors in counts.items()}
            joined = group.joined(longer, windows // length)
            starts = start_ns + np.arange(len(joined), dtype=np.int64) * length * self._base_ns
            scores[length] = group.scores(joined, starts)
        for window in range(1, windows + 1):
            end_ns = start_ns + window * self._base_ns
            now = {length: scores[length][window // length - 1] for length, _ in self._due(end_ns)}
            state, verdict = self._advance(state, now, end_ns)
            yield state, verdict

    def _due(self, end_ns: int) -> list[tuple[int, "_Group"]]:
        into_day = end_ns % (DAY_SECONDS * NS_PER_SECOND)
        return [
            (length, group)
            for length, group in self._groups.items()
            if into_day % (length * self._base_ns) == 0
        ]

    def _advance(
        self, state: EntityState, scores: Mapping[int, Floats], end_ns: int
    ) -> tuple[EntityState, Verdict]:
        models = dict(state.models)
        events: list[PartEvent] = []
        for length, z in scores.items():
            group = self._groups[length]
            models[length], changes = advance(
                group.budget, models.get(length) or group.empty, z, end_ns
            )
            events += [group.event(change) for change in changes]
        if not events:
            return replace(state, models=models), NOTHING
        episodes, told = state.episodes.after(
            opened={event.key: 0.0 for event in events if event.change is PartChange.OPENED},
            closed=[event.key for event in events if event.change is not PartChange.OPENED],
            end_ns=end_ns,
            base_ns=self._base_ns,
        )
        return EntityState(models=models, episodes=episodes), Verdict(told, tuple(events))

    def effect(self, key: PartKey, stream: Stream, history: History) -> Effect | None:
        """Return the effect of *stream* of a subject over *history*; None if it is not judged."""
        for group in self._groups.values():
            if key in group.keys:
                return group.effect(key, stream, history)
        return None


class _Group:
    """Subjects of one window length."""

    def __init__(
        self, subjects: list[Subject], calendar: Calendar, length: int, budget: float
    ) -> None:
        self.keys = {subject.key: place for place, subject in enumerate(subjects)}
        self._subjects = subjects
        self._calendar = calendar
        self._length = length
        self._model = Model([subject.judged for subject in subjects], calendar)
        shares = np.array([subject.share for subject in subjects])
        self.budget = Budget(self._model.of_stream, shares, base_windows=length, budget=budget)
        self.empty = ModelState(evidence=EvidenceState.empty(len(self._model.streams)))

    def joined(self, counts: Mapping[PartKey, Floats], windows: int) -> Floats:
        """Return the joined vectors of *windows* windows; subjects without data have counts of 0."""
        layout = self._model.layout
        found = np.zeros((windows, layout.width))
        for key, place in self.keys.items():
            vectors = counts.get(key)
            if vectors is not None:
                start = layout.offsets[place]
                found[: len(vectors), start : start + vectors.shape[1]] = vectors
        return found

    def scores(self, joined: Floats, starts_ns: Times) -> Floats:
        """Return the scores of each stream, shape (W, S)."""
        slots = self._calendar.slots(starts_ns)
        parts = [
            self._model.scores(
                joined[first : first + CHUNK], slots.part(slice(first, first + CHUNK))
            )
            for first in range(0, len(joined), CHUNK)
        ]
        return np.concatenate(
            [np.zeros((0, len(self._model.streams))), *(part.z for part in parts)]
        )

    def event(self, change: Change) -> PartEvent:
        """Return a change of this group with names instead of positions."""
        return PartEvent(
            key=self._subjects[change.column].key,
            change=change.change,
            stream=self._model.streams[change.part.stream],
            onset_ns=change.part.onset_ns,
            log_evidence=change.log_evidence,
        )

    def effect(self, key: PartKey, stream: Stream, history: History) -> Effect | None:
        judged = self._subjects[self.keys[key]].judged
        alone = Model([judged], self._calendar)
        place = next(
            i
            for i, one in enumerate(alone.streams)
            if (one.component, one.sign) == (stream.component, stream.sign)
        )
        scored = alone.scores(history.counts, self._calendar.slots(history.starts_ns))
        columns = (scored.effect, scored.variance, scored.rows, scored.z)
        return effect_of(stream.component, *(values[:, place] for values in columns))
