"""The judge of an entity: it turns the counts of windows into openings and closings.

Columns are judged over windows of different lengths, because a column with few rows needs longer
windows. All columns share one budget and one set of episodes.
"""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, tzinfo

import numpy as np

from nilometer.alert.calibrated.baseline import merged
from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.effects import Effect
from nilometer.alert.calibrated.episodes import (
    JOIN_WINDOWS,
    NO_CHANGES,
    EntityEpisodes,
    EpisodeChanges,
    PartKey,
)
from nilometer.alert.calibrated.evidence import BUDGET
from nilometer.alert.calibrated.group import Group, History, PartEvent, Subject
from nilometer.alert.calibrated.model import Judged, Stream
from nilometer.alert.calibrated.parts import Change, ModelState, PartChange, advance, close
from nilometer.alert.calibrated.slots import BASE_SECONDS, DAY_SECONDS, NS_PER_SECOND, Calendar


@dataclass(frozen=True, slots=True)
class Verdict:
    """The changes by all windows that close at one time.

    Attributes:
        told: Episodes that opened, closed, or got a new part.
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
        join_windows: Base windows after the opening of an episode in which new parts join it.

    Attributes:
        groups: Subjects of each window length, in base windows.
    """

    def __init__(
        self,
        subjects: Iterable[Subject],
        *,
        base_seconds: int = BASE_SECONDS,
        zone: tzinfo = UTC,
        holidays: Container[date] = frozenset(),
        budget: float = BUDGET,
        join_windows: int = JOIN_WINDOWS,
    ) -> None:
        self._join_windows = join_windows
        self._base_ns = base_seconds * NS_PER_SECOND
        by_length: dict[int, list[Subject]] = {}
        for subject in subjects:
            by_length.setdefault(subject.length, []).append(subject)
        self.groups = {
            length: Group(
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

    @property
    def lengths(self) -> Mapping[PartKey, int]:
        """The length of the windows of each subject, in base windows."""
        return {key: length for length, group in self.groups.items() for key in group.keys}

    def judged(self, key: PartKey) -> Judged:
        """Return the column of *key*, which must be a subject."""
        return next(group.judged(key) for group in self.groups.values() if key in group.keys)

    def carried(
        self, state: EntityState, before: "Judge", reset: Collection[PartKey], end_ns: int
    ) -> tuple[EntityState, Verdict]:
        """Convert a state of the replaced judge *before* to a state of this judge.

        Streams that both judges have keep their evidence. Parts stay open if their streams are
        kept; all other parts close.

        Args:
            state: State of the replaced judge.
            before: Replaced judge.
            reset: Subjects whose evidence starts again.
            end_ns: End of the newest window that was judged, Unix nanoseconds.
        """
        models, events = {}, []
        for length, group in self.groups.items():
            old_group, old_state = before.groups.get(length), state.models.get(length)
            models[length] = group.carried(old_group, old_state, reset, end_ns)
        going_on = {
            self.groups[length].key_of(column)
            for length, model in models.items()
            for column in model.parts
        }
        for length, model in state.models.items():
            old = before.groups[length]
            events += [
                old.event(Change(column, PartChange.REPLACED, part))
                for column, part in model.parts.items()
                if old.key_of(column) not in going_on
            ]
        return self._after(state, models, events, end_ns)

    def close(
        self,
        state: EntityState,
        keys: Collection[PartKey],
        end_ns: int,
        how: PartChange = PartChange.CLOSED_WITHOUT_DATA,
    ) -> tuple[EntityState, Verdict]:
        """Close the parts of *keys*; return the state and the changes.

        Args:
            state: State after the newest window.
            keys: Parts to close.
            end_ns: End of the newest window, Unix nanoseconds.
            how: Reason why they close; by default, because they get no more data.
        """
        models = dict(state.models)
        events: list[PartEvent] = []
        for length, group in self.groups.items():
            columns = [place for key, place in group.keys.items() if key in keys]
            model = models.get(length)
            if columns and model is not None:
                models[length], changes = close(group.budget, model, columns, how)
                events += [group.event(change) for change in changes]
        return self._after(state, models, events, end_ns)

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
                group.joined_window(counts),
                np.array([end_ns - length * self._base_ns], np.int64),
            )[0]
            for length, group in self._due(end_ns)
        }
        return self._advance(state, scores, end_ns)

    def replay(
        self, state: EntityState, counts: Mapping[PartKey, Floats], start_ns: int
    ) -> Iterator[tuple[EntityState, Verdict]]:
        """Judge many base windows. The results equal those of `advance` for each window.

        Args:
            state: State before the first window.
            counts: Vectors of each subject in each base window, shape (W, width).
            start_ns: Start of the first window, a midnight of UTC, Unix nanoseconds.

        Yields:
            The state after each base window, and the changes.
        """
        windows = max((len(vectors) for vectors in counts.values()), default=0)
        scores = {}
        for length, group in self.groups.items():
            longer = {key: merged(vectors, length) for key, vectors in counts.items()}
            joined = group.joined(longer, windows // length)
            starts = start_ns + np.arange(len(joined), dtype=np.int64) * length * self._base_ns
            scores[length] = group.scores(joined, starts)
        for window in range(1, windows + 1):
            end_ns = start_ns + window * self._base_ns
            now = {length: scores[length][window // length - 1] for length, _ in self._due(end_ns)}
            state, verdict = self._advance(state, now, end_ns)
            yield state, verdict

    def _due(self, end_ns: int) -> list[tuple[int, Group]]:
        into_day = end_ns % (DAY_SECONDS * NS_PER_SECOND)
        return [
            (length, group)
            for length, group in self.groups.items()
            if into_day % (length * self._base_ns) == 0
        ]

    def _advance(
        self, state: EntityState, scores: Mapping[int, Floats], end_ns: int
    ) -> tuple[EntityState, Verdict]:
        models = dict(state.models)
        events: list[PartEvent] = []
        for length, z in scores.items():
            group = self.groups[length]
            models[length], changes = advance(
                group.budget, models.get(length) or group.empty, z, end_ns, group.patience
            )
            events += [group.event(change) for change in changes]
        return self._after(state, models, events, end_ns)

    def _after(
        self,
        state: EntityState,
        models: Mapping[int, ModelState],
        events: list[PartEvent],
        end_ns: int,
    ) -> tuple[EntityState, Verdict]:
        """Return the state with *models*, and with *events* applied to the episodes."""
        if not events:
            return replace(state, models=models), NOTHING
        episodes, told = state.episodes.after(
            opened={event.key: 0.0 for event in events if event.change is PartChange.OPENED},
            closed=[event.key for event in events if event.change is not PartChange.OPENED],
            end_ns=end_ns,
            join_ns=self._join_windows * self._base_ns,
        )
        return EntityState(models=models, episodes=episodes), Verdict(told, tuple(events))

    def effect(self, key: PartKey, stream: Stream, history: History) -> Effect | None:
        """Return the effect of *stream* of a subject over *history*; None if it is not judged."""
        for group in self.groups.values():
            if key in group.keys:
                return group.effect(key, stream, history)
        return None
