"""The stored knowledge of the default alerter about an entity: baselines and state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from nilometer.alert.calibrated.baseline import Baseline
from nilometer.alert.calibrated.counting import SummaryColumn
from nilometer.alert.calibrated.episodes import EntityEpisodes, Episode, PartKey
from nilometer.alert.calibrated.judge import EntityState
from nilometer.alert.calibrated.life_cycle import Phase
from nilometer.alert.calibrated.parts import ModelState
from nilometer.alert.calibrated.slots import BASE_NS, DAY_SECONDS, NS_PER_SECOND
from nilometer.alert.reason import Reason
from nilometer_collector.store import PartRecord
from nilometer_collector.watch.performance_memory import PerformanceMemory
from nilometer_collector.watch.usual import (
    HOUR_NS,
    KEPT_HOURS,
    IsHoliday,
    Pauses,
    no_holiday,
    with_pause,
)

DAY_NS = DAY_SECONDS * NS_PER_SECOND
LEARNED_DAYS = 28  # newest days with traffic that baselines may learn from; tables have so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A summary and label set with its baseline.

    Attributes:
        key: Summary and label set; an empty label set is all traffic.
        slot: Number of its counts in kept windows; a changed column gets a new one.
        counted: How its cells are counted.
        phase: How far its baseline has learned.
        next_ns: Expected start of the next phase, Unix nanoseconds; 0 if unknown, or in the last
            phase.
        frozen: Whether its baseline no longer changes.
        frozen_ns: Time at which it was frozen, or is expected to be, Unix nanoseconds; 0 if
            unknown.
        quiet_ns: Longest usual time without traffic, in nanoseconds.
        length: Length of its windows in base windows.
        baseline: Normal values; None while they are learned, or if it is not judged.
        reason: Reason why it is not judged; None if it is.
        since_ns: Onset of its accepted new normal, where its learning starts; 0 without one.
    """

    key: PartKey
    slot: int
    counted: SummaryColumn
    phase: Phase = Phase.LEARNING
    next_ns: int = 0
    frozen: bool = False
    frozen_ns: int = 0
    quiet_ns: int = 0
    length: int = 1
    baseline: Baseline | None = None
    reason: Reason | None = Reason.LEARNING
    since_ns: int = 0

    def anew(self, since_ns: int) -> "Watched":
        """Return a copy without a baseline, which learns from the windows since *since_ns*."""
        return Watched(key=self.key, slot=self.slot, counted=self.counted, since_ns=since_ns)

    @property
    def patience_ns(self) -> int:
        """Time without data after which it counts as gone: a day more than usual."""
        return DAY_NS + self.quiet_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All subjects of an entity.

    Attributes:
        watched: The subjects, by name.
        performance: The subjects whose predictions are judged by their ground truth, by name.
        next_slot: Slot of the next new column.
        time_zone: Name of the time zone of the baselines. Older collectors have not stored it, and
            used UTC by default.
    """

    watched: tuple[Watched, ...] = ()
    performance: tuple[Watched, ...] = ()
    next_slot: int = 0
    time_zone: str = "UTC"

    def in_other_zone(self, time_zone: str) -> bool:
        """Return whether the baselines have slots of another zone than *time_zone*."""
        return self.time_zone != time_zone

    @property
    def slots(self) -> dict[PartKey, int]:
        """Slot of each subject."""
        return {one.key: one.slot for one in self.every}

    def of(self, key: PartKey) -> Watched:
        """Return the subject *key*, which must exist."""
        return next(one for one in self.every if one.key == key)

    @property
    def every(self) -> tuple[Watched, ...]:
        """All subjects."""
        return (*self.watched, *self.performance)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPart:
    """An open part of an episode, with the number of the episode."""

    number: int
    record: PartRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedEpisode:
    """An open episode in a form that can be stored."""

    id: int
    opened_ns: int
    parts: tuple[tuple[PartKey, float], ...]
    open_parts: tuple[PartKey, ...]
    segments: tuple[PartKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """Rows of the last days that arrived after their window was judged.

    Attributes:
        checked_ns: End of the newest window at the last check.
        found: Late rows of each check that found some, with its `checked_ns`.
        judged: Judged rows of the same days; of all summaries, the largest number.
    """

    checked_ns: int = 0
    found: tuple[tuple[int, int], ...] = ()
    judged: int = 0

    @property
    def rows(self) -> int:
        """Number of late rows."""
        return sum(rows for _, rows in self.found)

    @property
    def share(self) -> float:
        """Share of all rows, 0 to 1."""
        return self.rows / max(self.judged, self.rows, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The state of an entity between windows.

    Attributes:
        begun_ns: Start of the first window.
        end_ns: End of the newest window that was judged.
        data_ns: End of the newest window with data.
        fitted_ns: End of the newest window at the last fit of baselines; `begun_ns` before a fit.
        references: Digest of the references at the last fit.
        models: Evidence and parts for each window length.
        episodes: Open episodes.
        next_episode: Number of the next episode.
        newest_episode: Number of the newest episode that opened; 0 before the first.
        open_parts: Open parts as they are stored with their episodes.
        episode_spans: ``(slot, start_ns, end_ns)`` of drifts, which baselines must not learn
            from; the end is 0 while the part is open.
        newest: End of the newest window with data, by slot.
        hours: Hours since 1970 that had data, ascending; the last `KEPT_HOURS`.
        days: Days since 1970 that had data, ascending; the last `LEARNED_DAYS`.
        late: Rows that arrived after their window was judged.
        pauses: Longest pause at usual hours between windows with data, of each of the last days.
        performance: How far each summary of performance is judged. Labels arrive late, so it is
            behind `end_ns`.
    """

    begun_ns: int
    end_ns: int
    data_ns: int
    fitted_ns: int
    references: str = ""
    models: Mapping[int, ModelState] = field(default_factory=dict)
    episodes: tuple[SavedEpisode, ...] = ()
    next_episode: int = 1
    newest_episode: int = 0
    open_parts: tuple[OpenPart, ...] = ()
    episode_spans: tuple[tuple[int, int, int], ...] = ()
    newest: Mapping[int, int] = field(default_factory=dict)
    hours: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    late: Late = Late()
    pauses: Pauses = ()
    performance: Mapping[str, PerformanceMemory] = field(default_factory=dict)

    def with_data(
        self, slots: Iterable[int], *, is_live: bool, is_holiday: IsHoliday = no_holiday
    ) -> "Memory":
        """Return the state after a window with data that ended at `end_ns`.

        Args:
            slots: Slots of the summaries and label sets that had data.
            is_live: Whether an agent sent the window. Pauses are not learned from tables.
            is_holiday: Function that says which times are on holidays.
        """
        start_ns = self.end_ns - BASE_NS
        hour = (self.end_ns - 1) // HOUR_NS
        day = hour // 24
        hours = self.hours if hour in self.hours[-1:] else (*self.hours, hour)
        days = self.days if day in self.days[-1:] else (*self.days, day)
        return replace(
            self,
            data_ns=self.end_ns,
            hours=tuple(one for one in hours if one > hour - KEPT_HOURS),
            days=days[-LEARNED_DAYS:],
            pauses=with_pause(self.pauses, self.hours, self.data_ns, start_ns, is_holiday)
            if is_live
            else self.pauses,
            newest={**self.newest, **dict.fromkeys(slots, self.end_ns)},
        )

    @property
    def learning_ns(self) -> int:
        """Start of the windows that baselines may learn from, Unix nanoseconds.

        The span has at least `LEARNED_DAYS` days with traffic, if that many exist. Days without
        traffic, such as weekends, make it longer.
        """
        busy = self.days[0] * DAY_NS if self.days else self.end_ns
        return max(self.begun_ns, min(busy, self.end_ns - LEARNED_DAYS * DAY_NS))

    @property
    def state(self) -> EntityState:
        """The state in the form that the judge takes."""
        return EntityState(models=self.models, episodes=self.entity_episodes)

    @property
    def entity_episodes(self) -> EntityEpisodes:
        """The open episodes in the form that judges take."""
        episodes = {
            one.id: Episode(
                id=one.id,
                opened_ns=one.opened_ns,
                parts=dict(one.parts),
                open_parts=frozenset(one.open_parts),
                segments=frozenset(one.segments),
            )
            for one in self.episodes
        }
        return EntityEpisodes(open=episodes, next_id=self.next_episode)


def saved_episodes(episodes: Iterable[Episode]) -> tuple[SavedEpisode, ...]:
    """Return open *episodes* in a form that can be stored."""
    return tuple(
        SavedEpisode(
            id=one.id,
            opened_ns=one.opened_ns,
            parts=tuple(sorted(one.parts.items())),
            open_parts=tuple(sorted(one.open_parts)),
            segments=tuple(sorted(one.segments)),
        )
        for one in episodes
    )
