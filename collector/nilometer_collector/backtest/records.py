"""Arguments and results of a backtest. Times are Unix nanoseconds, UTC."""

from collections.abc import Sequence
from dataclasses import dataclass

from nilometer.alert import Alerter
from nilometer.values.labels import Labels
from nilometer_collector.alerting.watch_rules import WatchRule

DAY_NS = 86_400 * 1_000_000_000
MONTH_DAYS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A time span that a person marked because something was wrong.

    Attributes:
        start_ns: Start.
        end_ns: End, after the start.
        name: Name for the report.
        entity: Entity of the incident; None for all entities.
    """

    start_ns: int
    end_ns: int
    name: str
    entity: str | None = None

    def concerns(self, entity: str) -> bool:
        """Return whether the incident belongs to *entity*."""
        return self.entity in (None, entity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """An episode that an alerter would have opened.

    Attributes:
        since_ns: Start of the first breach, or estimated start of the drift.
        opened_ns: End of the window that opens it.
        closed_ns: End of the window that closes it; None if it is open at the end of the backtest.
        worst: Value furthest beyond the threshold.
        severity: Severity, as in a notification.
        evidence: Sentence that explains the opening.
    """

    summary: str
    labels: Labels
    since_ns: int
    opened_ns: int
    closed_ns: int | None
    worst: float
    severity: str
    evidence: str

    @property
    def messages(self) -> int:
        """Number of notifications: one for the opening, and one for the closing."""
        return 1 if self.closed_ns is None else 2

    def meets(self, incident: Incident) -> bool:
        """Return whether the episode overlaps *incident*."""
        closed = self.closed_ns
        return self.since_ns < incident.end_ns and (closed is None or closed > incident.start_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The question of a backtest: alerters, entities and time.

    Attributes:
        start_ns: Start of the tested time.
        end_ns: End of the tested time, after the start.
        entities: Entities to test.
        alerters: Alerters to test.
        rules: Settings of the default alerter; None does not test it.
        incidents: Marked incidents.
    """

    start_ns: int
    end_ns: int
    entities: Sequence[str]
    alerters: Sequence[Alerter]
    rules: tuple[WatchRule, ...] | None
    incidents: Sequence[Incident]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The replay of one alerter.

    Attributes:
        entity: Name of the entity.
        alerter: Name of the alerter.
        kind: Kind of its condition.
        start_ns: Start of the tested time that has data.
        end_ns: End of the tested time that has data; equal to the start without data.
        window_ns: Length of the longest judged window; 0 without one.
        judged: Number of windows that were judged, over all summaries and label sets.
        not_judged: Number of windows that were not judged, for example with too few observations.
        firings: Episodes, oldest first.
        notes: Sentences that explain the result.
    """

    entity: str
    alerter: str
    kind: str
    start_ns: int
    end_ns: int
    window_ns: int
    judged: int
    not_judged: int
    firings: Sequence[Firing]
    notes: Sequence[str] = ()

    @property
    def days(self) -> float:
        """Days of the tested time that have data."""
        return (self.end_ns - self.start_ns) / DAY_NS

    @property
    def messages(self) -> int:
        """Number of notifications."""
        return sum(one.messages for one in self.firings)

    @property
    def open_ns(self) -> int:
        """Time in which an episode is open, over all episodes."""
        ends = (self.end_ns if one.closed_ns is None else one.closed_ns for one in self.firings)
        return sum(max(end - one.opened_ns, 0) for one, end in zip(self.firings, ends, strict=True))

    def a_month(self, count: int) -> float:
        """Return *count* as a number in 30 days; 0 without data."""
        return count * MONTH_DAYS / self.days if self.days else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The episodes of a replay compared with the marked incidents.

    Attributes:
        found: Incidents that an episode overlaps, each with the time from its start to the opening.
        missed: Incidents that no episode overlaps.
        outside: Incidents at times without data.
        false_alarms: Episodes that overlap no incident.
    """

    found: Sequence[tuple[Incident, int]]
    missed: Sequence[Incident]
    outside: Sequence[Incident]
    false_alarms: int


def scored(replay: Replay, incidents: Sequence[Incident]) -> Score | None:
    """Return the score of *replay*; None if no incident is marked for its entity."""
    own = [one for one in incidents if one.concerns(replay.entity)]
    if not own:
        return None
    inside = [one for one in own if one.start_ns < replay.end_ns and one.end_ns > replay.start_ns]
    found: list[tuple[Incident, int]] = []
    missed: list[Incident] = []
    for incident in inside:
        opened = [one.opened_ns for one in replay.firings if one.meets(incident)]
        if opened:
            found.append((incident, max(min(opened) - incident.start_ns, 0)))
        else:
            missed.append(incident)
    return Score(
        found=found,
        missed=missed,
        outside=[one for one in own if one not in inside],
        false_alarms=sum(not any(one.meets(mark) for mark in own) for one in replay.firings),
    )
