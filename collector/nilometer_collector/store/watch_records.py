"""Arguments and results of the store's part for the default alerter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nilometer.values.labels import Labels
from nilometer_collector.alerting.episodes import Closed, Opened
from nilometer_collector.store.records import PartRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardRecord:
    """The newest window of an entity that an agent has sent.

    Attributes:
        end_ns: End of the newest window.
        received_ns: Wall time at which the last window arrived, which may be an older one.
        lag_ns: Age of the newest window when it arrived.
        least_lag_ns: Smallest age of any window when it arrived.
    """

    agent: str
    end_ns: int
    received_ns: int
    lag_ns: int
    least_lag_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRecord:
    """The state of the default alerter for an entity, as bytes that the room `watch` can read.

    Attributes:
        revision: Number of changes of the state so far, at least 1.
        state: Evidence, open parts and the last window.
        baselines: Columns and baselines.
    """

    revision: int
    state: bytes
    baselines: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeStep:
    """A change of an episode of the default alerter.

    Attributes:
        number: Number of the episode, unique within the entity.
        summary: Summary of the part with the largest effect.
        labels: Label set of this part.
        value: Effect of this part.
        change: Opening or closing, which is notified; None if only parts changed.
        parts: New or changed parts.
    """

    number: int
    summary: str
    labels: Labels
    value: float
    change: Opened | Closed | None
    parts: tuple[PartRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStep:
    """The changes that an entity's windows caused; stored as a whole or not at all.

    Attributes:
        revision: Revision before the step; 0 if there is no state yet.
        state: New state.
        baselines: New columns and baselines; None if they did not change.
        report: Status for readers.
        windows: Counts of base windows to keep, each with the end of its window.
        forget: Span ``(start_ns, end_ns]``; kept windows that end in it are deleted first. May be
            None.
        episodes: Changes of episodes, in order.
        settled: Ids of the new normals of `Decisions.pending` that it takes into account, each with
            whether it has lapsed, because its part had closed before.
    """

    revision: int
    state: bytes
    baselines: bytes | None
    report: bytes
    windows: Sequence[tuple[int, bytes]]
    forget: tuple[int, int] | None
    episodes: Sequence[EpisodeStep]
    settled: Mapping[int, bool] = field(default_factory=dict)
