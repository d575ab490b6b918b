"""Reads the samples of groups of series, sorted into the windows of an answer."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from nilometer_collector.errors import TooMuch
from nilometer_collector.query.groups import Group, Key
from nilometer_collector.query.spans import Span, level_for, spans_of, up_to_multiple
from nilometer_collector.store import LEVELS, Level, SampleRecord, Samples

MAX_SAMPLES = 50_000  # most samples that are merged for one response
MAX_BYTES = 64 << 20  # most bytes of samples that are read for one response

Bounds: TypeAlias = tuple[int, int]  # start and end of a window


@dataclass(frozen=True, slots=True)
class Cells:
    """Samples by group and window.

    Attributes:
        records: Samples of each window, by group; the groups and windows are in no order.
    """

    records: dict[Key, dict[Bounds, list[SampleRecord]]]

    def ordered(self, key: Key) -> list[tuple[Bounds, list[SampleRecord]]]:
        """Return the windows of a group, oldest first."""
        return sorted(self.records.get(key, {}).items())

    def each(self) -> Iterator[list[SampleRecord]]:
        """Yield the samples of every window."""
        for windows in self.records.values():
            yield from windows.values()


@dataclass(frozen=True, slots=True)
class Slice:
    """The groups and the time that are read together.

    Attributes:
        groups: Groups to read.
        start_ns: Start of the time; a multiple of the step, if there is one.
        end_ns: End of the time; likewise.
        step_ns: Length of the windows of the answer; None for one window of the whole time.
        is_first: Whether no earlier slice of the same answer has read the time before it.
        origin_ns: Time at which one of the windows begins, 0 to the step.
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
        """Return the same time, moved to the past by *by_ns*, of other *groups*."""
        start, end = self.start_ns - by_ns, self.end_ns - by_ns
        origin = 0 if self.step_ns is None else -by_ns % self.step_ns
        return replace(self, groups=groups, start_ns=start, end_ns=end, origin_ns=origin)

    def bounds_of(self, record: SampleRecord) -> Bounds:
        """Return the bounds of the window of the answer that *record* is merged into."""
        start, end, step = record.window_start_ns, record.window_end_ns, self.step_ns
        if step is None:
            return self.start_ns, self.end_ns
        if end - start >= step:
            return start, end
        start -= (start - self.origin_ns) % step
        return start, start + step

    @property
    def spans(self) -> list[Span]:
        """The parts to read, each at its level."""
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
        # There is nothing before the first and after the last window, so whole days hold no more.
        start = first - first % coarsest if start <= first else start
        end = up_to_multiple(last, coarsest) if end >= last else end
        return spans_of(start, end, levels)


def cells_of(stored: Samples, part: Slice) -> Cells:
    """Read the samples of a *part* of an answer.

    Raises:
        TooMuch: If too many samples match; they are counted before any is read.
    """
    series = [one for group in part.groups for one in group.series]
    spans = part.spans
    _check_size(stored, part, spans)
    key_of = {one.id: group.key for group in part.groups for one in group.series}
    found: dict[Key, dict[Bounds, list[SampleRecord]]] = {}
    for number, span in enumerate(spans):
        records = stored.read(series, span.start_ns, span.end_ns, MAX_SAMPLES, span.level)
        # An earlier span or slice has the windows that reach into this one.
        earliest = 0 if number == 0 and part.is_first else span.start_ns
        for record in records:
            bounds = part.bounds_of(record)
            start = record.window_start_ns if part.step_ns is None else bounds[0]
            if start >= earliest and bounds[1] > part.start_ns:
                found.setdefault(key_of[record.series], {}).setdefault(bounds, []).append(record)
    return Cells(found)


def _check_size(stored: Samples, part: Slice, spans: Sequence[Span]) -> None:
    """Refuse a slice with too many samples or bytes."""
    series = [one for group in part.groups for one in group.series]
    samples = size = 0
    for span in spans:
        left = MAX_SAMPLES + 1 - samples
        sizes = stored.windows(series, span.start_ns, span.end_ns, left, span.level)
        samples += len(sizes)
        size += sum(each for _, _, each in sizes)
        if samples > MAX_SAMPLES:
            raise TooMuch(
                f"start: more than {MAX_SAMPLES} samples match: ask for a shorter time, fewer "
                "summaries or fewer labels",
                "start",
            )
        if size > MAX_BYTES:
            raise TooMuch(
                f"start: samples of more than {MAX_BYTES >> 20} MiB match: ask for a shorter time, "
                "fewer summaries or fewer labels",
                "start",
            )
