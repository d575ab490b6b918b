"""Series in memory: cumulative since the start of the process, limited in number.

A metric has at most `MAX_SERIES` series. Measurements beyond the limit that add up go to one series
with the attribute `otel.metric.overflow`, so that totals stay complete. Gauges beyond the limit are
left out and counted.
"""

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import add, sub
from typing import Self, TypeAlias

from nilometer.export.keys import OVERFLOW
from nilometer.export.metric import Instrument, Metric
from nilometer.export.telemetry import MAX_SERIES
from nilometer.sketch.exponential import Buckets, ExponentialHistogram

Value = str | int | float | bool
Attributes = tuple[tuple[str, Value], ...]  # ordered by name

OVERFLOW_SERIES: Attributes = ((OVERFLOW, True),)
ADDING = (Instrument.COUNTER, Instrument.HISTOGRAM)


def attributes_of(pairs: Mapping[str, Value]) -> Attributes:
    """Return *pairs* in order, without empty values."""
    return tuple(sorted((key, value) for key, value in pairs.items() if value != ""))


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One measurement with its trace; identifiers as in W3C Trace Context."""

    value: float
    time_ns: int
    trace_id: int
    span_id: int

    @classmethod
    def of(cls, value: float, time_ns: int, trace_parent: str) -> Self | None:
        """Return the exemplar of a sampled ``traceparent``; None if it is not one."""
        parts = trace_parent.split("-")
        if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
            return None
        try:
            version, trace_id, span_id, flags = (int(part, 16) for part in parts[:4])
        except ValueError:
            return None
        fine = version != 0xFF and trace_id and span_id and flags & 1
        return cls(value, time_ns, trace_id, span_id) if fine else None


@dataclass(frozen=True, slots=True)
class Distribution:
    """A finished distribution of values.

    Attributes:
        histogram: Counts of all values by magnitude.
        sum: Sum of all values; None if a value was negative, because a counter must not decrease.
        exemplars: Newest exemplar of each power of two.
    """

    histogram: ExponentialHistogram = field(default_factory=ExponentialHistogram)
    sum: float | None = 0.0
    exemplars: Mapping[int, Exemplar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        has_sum = self.sum is not None and math.isfinite(self.sum)
        if not has_sum or self.histogram.negative.counts:
            object.__setattr__(self, "sum", None)

    def merge(self, other: Self) -> Self:
        """Return the merged distribution of both."""
        both = None if self.sum is None or other.sum is None else self.sum + other.sum
        exemplars = {**self.exemplars, **other.exemplars}
        return type(self)(self.histogram.merge(other.histogram), both, exemplars)

    def since(self, earlier: Self) -> Self:
        """Return exactly the values since *earlier*, an older state of the same series."""
        now, before = self.histogram, earlier.histogram
        steps = before.scale - now.scale
        histogram = ExponentialHistogram(
            now.scale,
            now.zero_count - before.zero_count,
            _minus(now.positive, downscaled(before.positive, steps)),
            _minus(now.negative, downscaled(before.negative, steps)),
            now.limit,
        )
        grown = None if self.sum is None or earlier.sum is None else self.sum - earlier.sum
        return type(self)(histogram, grown, self.exemplars)

    @staticmethod
    def keyed(exemplars: Iterable[Exemplar]) -> dict[int, Exemplar]:
        """Return *exemplars* by the power of two at or above their value."""
        return {power_above(exemplar.value): exemplar for exemplar in exemplars}


@dataclass(frozen=True, slots=True)
class Binned:
    """Counts in the bins between the edges of a metric.

    Attributes:
        edges: Ascending bin edges, *k* of them; a value equal to an edge counts in the bin above.
        counts: Counts of the ``k + 1`` bins.
        sum: Sum of all values.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """Number of values."""
        return sum(self.counts)

    def merge(self, other: Self) -> Self:
        """Return the sum of both, which have the same edges."""
        counts = map(add, self.counts, other.counts)
        return type(self)(self.edges, tuple(counts), self.sum + other.sum)

    def since(self, earlier: Self) -> Self:
        """Return the values since *earlier*, an older state of the same series."""
        counts = map(sub, self.counts, earlier.counts)
        return type(self)(self.edges, tuple(counts), self.sum - earlier.sum)


def power_above(value: float) -> int:
    """Return the smallest *k* with ``value <= 2**k``; a very low number for values up to 0."""
    if value <= 0:
        return -1075
    mantissa, exponent = math.frexp(value)
    return exponent - 1 if mantissa == 0.5 else exponent


State: TypeAlias = float | Distribution | Binned


@dataclass(frozen=True, slots=True)
class Point:
    """The state of one series."""

    attributes: Attributes
    value: State


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with all its points."""

    metric: Metric
    points: tuple[Point, ...]


class Series:
    """All series of a process, by metric. Any thread may call.

    Args:
        limit: Largest number of series of one metric, including overflow; at least 2.
    """

    def __init__(self, limit: int = MAX_SERIES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._metrics: dict[str, Metric] = {}
        self._values: dict[str, dict[Attributes, State]] = {}
        self._set_at: dict[tuple[str, Attributes], float] = {}
        self.overflowed = 0  # measurements that overflowed or were left out

    def add(self, metric: Metric, attributes: Attributes, amount: float) -> None:
        """Increase a counter; an amount of zero only creates it."""
        with self._lock:
            values, key = self._place(metric, attributes)
            before = values.get(key, 0)
            values[key] = before + amount if isinstance(before, int | float) else amount

    def merge(self, metric: Metric, attributes: Attributes, added: Distribution | Binned) -> None:
        """Add a distribution to a histogram."""
        with self._lock:
            values, key = self._place(metric, attributes)
            match values.get(key), added:
                case Distribution() as before, Distribution():
                    values[key] = before.merge(added)
                case Binned() as before, Binned() if before.edges == added.edges:
                    values[key] = before.merge(added)
                case _:
                    values[key] = added

    def restore(self, families: Iterable[Family]) -> None:
        """Add the counters and histograms of *families*, which an earlier process has counted."""
        for family in families:
            for point in family.points:
                if isinstance(point.value, int | float):
                    self.add(family.metric, point.attributes, point.value)
                else:
                    self.merge(family.metric, point.attributes, point.value)

    def set(self, metric: Metric, attributes: Attributes, value: float, at: float = 0.0) -> None:
        """Set a gauge; *at* is monotonic seconds, for `forget_gauges`."""
        with self._lock:
            values = self._of(metric)
            if attributes not in values and len(values) >= self._limit:
                self.overflowed += 1
                return
            values[attributes] = value
            self._set_at[metric.name, attributes] = at

    def forget_gauges(self, before: float) -> None:
        """Drop gauges that were set before *before*, because their source no longer exists."""
        with self._lock:
            old = [key for key, at in self._set_at.items() if at < before]
            for name, attributes in old:
                del self._set_at[name, attributes]
                self._values[name].pop(attributes, None)

    def families(self) -> list[Family]:
        """Return all metrics with their points, in the order of first use."""
        with self._lock:
            return [
                Family(metric, tuple(Point(*item) for item in self._values[name].items()))
                for name, metric in self._metrics.items()
                if self._values[name]
            ]

    def _of(self, metric: Metric) -> dict[Attributes, State]:
        self._metrics.setdefault(metric.name, metric)
        return self._values.setdefault(metric.name, {})

    def _place(
        self, metric: Metric, attributes: Attributes
    ) -> tuple[dict[Attributes, State], Attributes]:
        if metric.instrument not in ADDING:
            raise ValueError(f"{metric.name} is a gauge: its values do not add up")
        values = self._of(metric)
        if attributes in values or len(values) < self._limit - 1:
            return values, attributes
        self.overflowed += 1
        return values, OVERFLOW_SERIES


class Differences:
    """Converts cumulative families to the differences since the last call, for delta temporality.

    Used by one reader. An unchanged series gives no point.
    """

    def __init__(self) -> None:
        self._before: dict[tuple[str, Attributes], State] = {}

    def of(self, families: Iterable[Family]) -> list[Family]:
        """Return the families with counters and histograms as differences, and gauges unchanged."""
        found = []
        for family in families:
            points = family.points
            if family.metric.instrument in ADDING:
                points = tuple(
                    point for point in (self._since(family.metric.name, p) for p in points) if point
                )
            if points:
                found.append(replace(family, points=points))
        return found

    def _since(self, name: str, point: Point) -> Point | None:
        key = (name, point.attributes)
        before, self._before[key] = self._before.get(key), point.value
        match point.value, before:
            case Distribution() as now, Distribution() as then:
                grown = now.since(then)
                return Point(point.attributes, grown) if grown.histogram.count else None
            case Binned() as now, Binned() as then:
                more = now.since(then)
                return Point(point.attributes, more) if more.count else None
            case ((int() | float() as count), (int() | float() as counted)):
                return Point(point.attributes, count - counted) if count != counted else None
            case _:
                return point


def downscaled(side: Buckets, steps: int) -> Buckets:
    """Return the counts at a scale lower by *steps*: bucket i becomes bucket ``i >> steps``."""
    if steps == 0 or not side.counts:
        return side
    start = side.offset >> steps
    counts = [0] * (((side.offset + len(side.counts) - 1) >> steps) - start + 1)
    for position, count in enumerate(side.counts, side.offset):
        counts[(position >> steps) - start] += count
    return Buckets(start, tuple(counts))


def _minus(now: Buckets, before: Buckets) -> Buckets:
    """Return the counts of *now* minus those of *before*, which are included in *now*."""
    counts = list(now.counts)
    for position, count in enumerate(before.counts, before.offset - now.offset):
        counts[position] -= count
    used = [position for position, count in enumerate(counts) if count]
    if not used:
        return Buckets()
    return Buckets(now.offset + used[0], tuple(counts[used[0] : used[-1] + 1]))
