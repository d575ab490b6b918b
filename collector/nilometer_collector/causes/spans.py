"""The times that an episode is explained by: since its onset, and comparable times before."""

from collections.abc import Sequence
from dataclasses import dataclass

from nilometer.values.window import Window
from nilometer_collector.query.spans import up_to_multiple
from nilometer_collector.store import EpisodeRecord, Level

WINDOW_NS = Level.FIVE_MINUTES.length_ns
HOUR_NS = Level.HOUR.length_ns
DAY_NS = Level.DAY.length_ns
LONGEST_NS = 6 * HOUR_NS  # longest time since the onset that is read
AFTER_NS = HOUR_NS  # time after the opening that is read, at most
DAYS = 3  # comparable days
FARTHEST = 14  # days back to look for them
AROUND_NS = 2 * HOUR_NS  # time before the onset in which other changes are looked for
_MONDAY = 4  # days from a Monday to the first day of Unix time, a Thursday, in weeks of seven days


@dataclass(frozen=True, slots=True)
class Times:
    """The times of an episode.

    Attributes:
        onset_ns: Estimated start of the drift.
        now: Windows since the onset, of whole base windows.
        days: The same hours of earlier days of the same kind, newest first.
        directly: Hours directly before the onset, newest first, if no day has data.
        around: Windows around the onset, in which other changes are looked for.
    """

    onset_ns: int
    now: Window
    days: Sequence[Window]
    directly: Sequence[Window]
    around: Window


def onset_of(episode: EpisodeRecord) -> int:
    """Return the estimated start of an episode: the earliest onset of its parts."""
    return min((part.onset_ns for part in episode.parts), default=episode.since_ns)


def end_of(episode: EpisodeRecord, now_ns: int) -> int:
    """Return the end of the windows that show *episode*, of whole base windows.

    The windows of the second half of a closed episode may have recovered already.
    """
    opened = episode.opened_ns
    until = now_ns if episode.closed_ns is None else (opened + episode.closed_ns) // 2
    last = min(max(until, opened), opened + AFTER_NS, onset_of(episode) + LONGEST_NS)
    return up_to_multiple(max(last, onset_of(episode) + 1), WINDOW_NS)


def times_of(episode: EpisodeRecord, end_ns: int, others: Sequence[tuple[int, int]]) -> Times:
    """Return the times of *episode*.

    Args:
        episode: The episode.
        end_ns: End of its windows, see `end_of`.
        others: Start and end of other episodes of the entity, whose days are not comparable.
    """
    onset_ns = onset_of(episode)
    start_ns = onset_ns - onset_ns % WINDOW_NS
    first, last = start_ns - start_ns % HOUR_NS, up_to_multiple(end_ns, HOUR_NS)
    days = [
        Window(first - day * DAY_NS, last - day * DAY_NS)
        for day in (7, *(day for day in range(1, FARTHEST + 1) if day != 7))
        if first >= day * DAY_NS and _is_weekend(first) == _is_weekend(first - day * DAY_NS)
    ]
    guard = start_ns - WINDOW_NS
    directly = [
        Window(guard - (hour + 1) * HOUR_NS, guard - hour * HOUR_NS)
        for hour in range(DAYS)
        if guard >= (hour + 1) * HOUR_NS
    ]
    return Times(
        onset_ns,
        Window(start_ns, end_ns),
        [one for one in days if not _meets(one, others)],
        directly,
        Window(max(start_ns - AROUND_NS, 0), end_ns),
    )


def _is_weekend(at_ns: int) -> bool:
    return (at_ns // DAY_NS + _MONDAY - 1) % 7 >= 5


def _meets(window: Window, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start < window.end_ns and end > window.start_ns for start, end in spans)
