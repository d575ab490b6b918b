"""Reads the samples of groups of series, sorted into the windows of an answer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter, itemgetter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nilometer.values.entity import is_logged
from nilometer_collector.errors import TooMuch
from nilometer_collector.query.groups import Group, Key
from nilometer_collector.query.spans import Span, level_for, spans_of, up_to_multiple
from nilometer_collector.store import LEVELS, Level, Samples, SeriesRecord, Size, Stretch, TooLarge

MAX_SAMPLES = 50_000  # most samples that are merged for one response
MAX_BYTES = 64 << 20  # most bytes of samples that are read for one response
MAX_LOGGED_BYTES = (
    8 << 20
)  # the same if samples are logged; decoded, they are some 30 times as large

NOTHING = Size(0, 0)

Times: TypeAlias = NDArray[np.int64]  # Unix nanoseconds
Bounds: TypeAlias = tuple[int, int]  # start and end of a window


@dataclass(slots=True)
class Pile:
    """The samples of one group and window.

    Attributes:
        start_ns: Start of the earliest sample.
        end_ns: End of the latest sample.
        level: Coarsest level of the samples.
        payloads: Bytes of each sample.
    """

    start_ns: int
    end_ns: int
    level: Level
    payloads: list[bytes]


@dataclass(frozen=True, slots=True)
class Cells:
    """The samples of several groups, sorted by group and window.

    Attributes:
        piles: Samples of each window, by group; groups and windows are not sorted.
        levels: Number of samples of each level.
    """

    piles: dict[Key, dict[Bounds, Pile]] = field(default_factory=dict)
    levels: dict[Level, int] = field(default_factory=dict)

    def ordered(self, key: Key) -> list[tuple[Bounds, Pile]]:
        """Return the windows of a group, oldest first."""
        return sorted(self.piles.get(key, {}).items(), key=itemgetter(0))

    def add(self, key: Key, stretch: Stretch, part: "Slice", earliest_ns: int) -> None:
        """Add the samples of a *stretch* to the windows of the group *key*.

        Args:
            key: Group of the series.
            stretch: Samples of one series.
            part: Groups and time that are read together.
            earliest_ns: Start of the earliest window of the answer. If the answer has one window,
                it is the start of the earliest sample.
        """
        starts, ends = np.array(stretch.starts), np.array(stretch.ends)
        firsts, lasts = part.bounds_of(starts, ends)
        taken = (starts if part.step_ns is None else firsts) >= earliest_ns
        taken &= lasts > part.start_ns
        piles = self.piles.setdefault(key, {})
        # Samples of one window are usually adjacent, so whole runs are added at once.
        differs = (
            (firsts[1:] != firsts[:-1]) | (lasts[1:] != lasts[:-1]) | (taken[1:] != taken[:-1])
        )
        runs = [0, *(np.flatnonzero(differs) + 1).tolist(), starts.size]
        earliest = np.minimum.reduceat(starts, runs[:-1]).tolist()
        latest = np.maximum.reduceat(ends, runs[:-1]).tolist()
        bounds = zip(firsts[runs[:-1]].tolist(), lasts[runs[:-1]].tolist(), strict=True)
        level, payloads = stretch.level, stretch.payloads
        self.levels[level] = self.levels.get(level, 0) + int(taken.sum())
        for at, (place, is_taken) in enumerate(zip(bounds, taken[runs[:-1]].tolist(), strict=True)):
            if not is_taken:
                continue
            some = payloads[runs[at] : runs[at + 1]]
            pile = piles.get(place)
            if pile is None:
                piles[place] = Pile(earliest[at], latest[at], level, list(some))
                continue
            pile.start_ns = min(pile.start_ns, earliest[at])
            pile.end_ns = max(pile.end_ns, latest[at])
            pile.level = max(pile.level, level, key=attrgetter("length_ns"))
            pile.payloads += some


@dataclass(frozen=True, slots=True)
class Slice:
    """The groups and the time that are read together.

    Attributes:
        groups: Groups to read.
        start_ns: Start of the time to read; a multiple of the step, if there is a step.
        end_ns: End of the time to read; a multiple of the step, if there is a step.
        step_ns: Length of the windows of the answer; None for one window of the whole time.
        is_first: Whether this is the first slice of the answer in time.
        origin_ns: Offset of the windows from multiples of the step, 0 to the step.
        coarsest: Coarsest level to read.
    """

    groups: Sequence[Group]
    start_ns: int
    end_ns: int
    step_ns: int | None
    is_first: bool = True
    origin_ns: int = 0
    coarsest: Level = LEVELS[-1]

    def earlier(self, by_ns: int, groups: Sequence[Group]) -> "Slice":
        """Return a copy for other *groups*, with the time moved to the past by *by_ns*."""
        start, end = self.start_ns - by_ns, self.end_ns - by_ns
        origin = 0 if self.step_ns is None else -by_ns % self.step_ns
        return replace(self, groups=groups, start_ns=start, end_ns=end, origin_ns=origin)

    def bounds_of(self, starts: Times, ends: Times) -> tuple[Times, Times]:
        """Return the start and end of the window that each sample is merged into.

        Args:
            starts: Start of each sample, shape (n,).
            ends: End of each sample, shape (n,).
        """
        step = self.step_ns
        if step is None:
            return np.full_like(starts, self.start_ns), np.full_like(ends, self.end_ns)
        firsts = starts - (starts - self.origin_ns) % step
        is_long = ends - starts >= step
        return np.where(is_long, starts, firsts), np.where(is_long, ends, firsts + step)

    @property
    def spans(self) -> list[Span]:
        """Spans to read, each at its level."""
        levels = LEVELS[: LEVELS.index(self.coarsest) + 1]
        if self.step_ns is not None:
            level = level_for(math.gcd(self.step_ns, self.origin_ns), levels)
            return [Span(self.start_ns, self.end_ns, level)]
        if not self.groups:
            return []
        start, end = self.start_ns, self.end_ns
        coarsest = self.coarsest.length_ns or 1
        first = min(group.first_ns for group in self.groups)
        last = max(group.last_ns for group in self.groups)
        # No data exists before the first and after the last window, so reading whole days is safe.
        start = first - first % coarsest if start <= first else start
        end = up_to_multiple(last, coarsest) if end >= last else end
        return spans_of(start, end, levels)


def cells_of(stored: Samples, part: Slice) -> Cells:
    """Read the samples of a *part* of an answer.

    Raises:
        TooMuch: If too many samples match.
    """
    series = [one for group in part.groups for one in group.series]
    key_of = {one.id: group.key for group in part.groups for one in group.series}
    limit, used = most_of(series, MAX_SAMPLES), NOTHING
    found = Cells()
    for number, span in enumerate(part.spans):
        # Windows that begin before this span belong to an earlier span or slice.
        earliest = 0 if number == 0 and part.is_first else span.start_ns
        for stretch in read_bounded(stored, series, span, limit, used):
            used = used.plus(stretch.size)
            found.add(key_of[stretch.series], stretch, part, earliest)
    return found


def most_of(series: Sequence[SeriesRecord], samples: int) -> Size:
    """Return the most that is read of *series* for one response: *samples*, and their bytes."""
    is_any_logged = any(is_logged(one.summary) for one in series)
    return Size(samples, MAX_LOGGED_BYTES if is_any_logged else MAX_BYTES)


def read_bounded(
    stored: Samples, series: Sequence[SeriesRecord], span: Span, limit: Size, used: Size = NOTHING
) -> list[Stretch]:
    """Return all samples of *series* in a *span*.

    Args:
        stored: Samples of the store.
        series: Series to read.
        span: Span to read.
        limit: Most samples and bytes of the response.
        used: Those that the response has already.

    Raises:
        TooMuch: If the response would have more than *limit*.
    """
    try:
        return stored.read_all(series, span.start_ns, span.end_ns, limit.minus(used), span.level)
    except TooLarge as error:
        size = used.plus(error.size)
    if size.samples > limit.samples:
        what = f"more than {limit.samples} samples"
    elif limit.bytes == MAX_LOGGED_BYTES:
        what = f"logged samples of more than {limit.bytes >> 20} MiB"
    else:
        what = f"samples of more than {limit.bytes >> 20} MiB"
    raise TooMuch(
        f"start: {what} match: ask for a shorter time, fewer summaries or fewer labels", "start"
    )
