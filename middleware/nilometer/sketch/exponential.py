"""A histogram by magnitude that merges exactly.

`ExponentialHistogram` follows OpenTelemetry: bucket *i* holds ``(base**i, base**(i + 1)]`` with
``base = 2**(2**-scale)``. Reducing the scale by one joins neighbours exactly, so a merge uses the
smaller scale and adds. Each sign has at most 160 buckets: the scale is reduced until the range
fits. The result only depends on the observations, not on their order.

Source: OpenTelemetry metrics data model, "ExponentialHistogram".
"""

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.codec import between, scaled_counts

Floats = NDArray[np.float64]

MAX_BUCKETS = 160  # largest number of buckets of one side, as in OpenTelemetry's SDKs
MAX_SCALE = 12  # base 1.00017, finer than any query needs
MIN_SCALE = -10


@dataclass(frozen=True, slots=True)
class Buckets:
    """Dense counts of one sign: ``counts[i]`` belongs to bucket ``offset + i``."""

    offset: int = 0
    counts: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        """Number of observations on this side."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class ExponentialHistogram:
    """Counts of finite observations by magnitude, including negative ones.

    The relative width of a bucket is ``base - 1``. `quantile` is exact within one bucket.

    Attributes:
        scale: Scale of the buckets, `MIN_SCALE` to `MAX_SCALE`; ``base = 2**(2**-scale)``.
        zero_count: Number of observations equal to 0.
        positive: Counts of observations above 0.
        negative: Counts of the absolute values of observations below 0.
        limit: Largest number of buckets of one sign; the scale is reduced to keep it.
    """

    scale: int = MAX_SCALE
    zero_count: int = 0
    positive: Buckets = field(default_factory=Buckets)
    negative: Buckets = field(default_factory=Buckets)
    limit: int = MAX_BUCKETS

    @classmethod
    def of(cls, values: Floats, scale: int = MAX_SCALE, limit: int = MAX_BUCKETS) -> Self:
        """Return a histogram of finite *values*, shape (n,), at *scale* or the next that fits."""
        tally = MagnitudeTally(scale, limit)
        tally.observe_sorted(np.sort(values))
        return cls._of(tally)

    @classmethod
    def of_weighted(cls, values: Floats, weights: Floats, limit: int = MAX_BUCKETS) -> Self:
        """Return a histogram of *values* with whole weights, both of shape (n,)."""
        tally = MagnitudeTally(limit=limit)
        for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
            count = int(weight)
            if value == 0.0:
                tally.add_zeros(count)
            else:
                sign, place = (1 if value > 0 else -1), _index(abs(value), MAX_SCALE)
                tally.add_counts(sign, MAX_SCALE, place, np.array([count], dtype=np.int64))
        return cls._of(tally)

    @classmethod
    def merge_all(cls, histograms: Iterable[Self]) -> Self:
        """Return a histogram of all streams; the merge is exact in any order."""
        held = list(histograms)
        tally = MagnitudeTally(limit=max((one.limit for one in held), default=MAX_BUCKETS))
        for histogram in held:
            tally.lower(histogram.scale)
            tally.add_zeros(histogram.zero_count)
            for sign, side in ((1, histogram.positive), (-1, histogram.negative)):
                if side.counts:
                    counts = np.array(side.counts, dtype=np.int64)
                    tally.add_counts(sign, histogram.scale, side.offset, counts)
        return cls._of(tally)

    @classmethod
    def _of(cls, tally: "MagnitudeTally") -> Self:
        made = tally.histogram()
        return cls(made.scale, made.zero_count, made.positive, made.negative, made.limit)

    @property
    def count(self) -> int:
        """Number of observations."""
        return self.zero_count + self.positive.total + self.negative.total

    @property
    def base(self) -> float:
        """The ratio of the upper to the lower bound of a bucket."""
        return float(2.0 ** (2.0**-self.scale))

    def merge(self, other: Self) -> Self:
        """Return a histogram of both streams; the merge is exact in any order."""
        return self.merge_all((self, other))

    def scaled(self, factor: float) -> Self:
        """Return the counts times *factor*, rounded."""
        below, above = self.negative.counts, self.positive.counts
        found = scaled_counts([*below, self.zero_count, *above], factor)
        return type(self)(
            self.scale,
            found[len(below)],
            Buckets(self.positive.offset, tuple(found[len(below) + 1 :])),
            Buckets(self.negative.offset, tuple(found[: len(below)])),
            self.limit,
        )

    def quantile(self, q: float) -> float | None:
        """Return the geometric middle of the bucket that contains the quantile *q*."""
        total = self.count
        if total == 0:
            return None
        target = q * total
        passed = 0
        for position in range(len(self.negative.counts) - 1, -1, -1):
            passed += self.negative.counts[position]
            if passed >= target and passed:
                return -self._middle(self.negative.offset + position)
        passed += self.zero_count
        if passed >= target and passed:
            return 0.0
        for position, count in enumerate(self.positive.counts, self.positive.offset):
            passed += count
            if passed >= target and passed:
                return self._middle(position)
        return self._middle(self.positive.offset + len(self.positive.counts) - 1)

    def count_above(self, value: float) -> int:
        """Return the number of observations in buckets whose geometric middle is above *value*.

        So the quantile of any share ``q`` has at most ``1 - q`` of the observations above it.
        """
        above = sum(
            count
            for position, count in enumerate(self.positive.counts, self.positive.offset)
            if self._middle(position) > value
        )
        if value >= 0.0:
            return above
        below = enumerate(self.negative.counts, self.negative.offset)
        return above + self.zero_count + sum(n for at, n in below if -self._middle(at) > value)

    def _middle(self, index: int) -> float:
        return float(2.0 ** min((index + 0.5) * 2.0**-self.scale, 1023.99))


# Lower bounds of the finest buckets inside one power of two, as mantissas. All coarser bounds are
# among them, so shifting an index gives the bucket at another scale.
_MANTISSAS = np.asarray(
    np.exp2(np.arange(1 << MAX_SCALE, dtype=np.longdouble) / (1 << MAX_SCALE)) / 2,
    dtype=np.float64,
)
_SMALLEST_NORMAL = 2.0**-1000  # smaller bounds are equal in float64


_BISECTED = _MANTISSAS.tolist()


def _index(value: float, scale: int) -> int:
    """Return the bucket of one positive value."""
    mantissa, exponent = math.frexp(value)
    fine = ((exponent - 1) << MAX_SCALE) + bisect_left(_BISECTED, mantissa) - 1
    return fine >> (MAX_SCALE - scale)


def _indices(values: Floats, scale: int) -> NDArray[np.int64]:
    """Return the buckets of positive *values*: ``ceil(log2(v) * 2**scale) - 1``.

    Mantissa and exponent are separated first, so that powers of two are exactly on bucket bounds
    and denormals stay in order.
    """
    mantissa, exponent = np.frexp(values)  # mantissa in [.5, 1)
    fine = np.searchsorted(_MANTISSAS, mantissa) - 1
    fine += (exponent.astype(np.int64) - 1) << MAX_SCALE
    return np.asarray(fine >> (MAX_SCALE - scale))


def _upper_bounds(first: int, last: int, scale: int) -> Floats:
    """Return the upper bounds of the buckets *first* to *last* - 1, ascending."""
    whole = (np.arange(first, last, dtype=np.int64) + 1) << max(MAX_SCALE - scale, 0)
    if scale < 0:
        return np.asarray(np.ldexp(1.0, (np.arange(first, last) + 1) << -scale))
    mantissas = _MANTISSAS[whole & ((1 << MAX_SCALE) - 1)]
    return np.asarray(np.ldexp(mantissas, (whole >> MAX_SCALE) + 1))


def _fitting_scale(first: int, last: int, buckets: int) -> int:
    """Return the finest scale at which the indices *first* to *last* need at most *buckets*."""
    scale = MAX_SCALE
    while scale > MIN_SCALE and (last - first) >= buckets:
        first, last, scale = first >> 1, last >> 1, scale - 1
    return scale


def _side_of(ordered: Floats, scale: int) -> tuple[int, NDArray[np.int64]]:
    """Return the offset and the dense counts of ascending positive values at *scale*."""
    first, last = _index(float(ordered[0]), scale), _index(float(ordered[-1]), scale)
    if ordered[0] < _SMALLEST_NORMAL:
        return first, np.bincount(_indices(ordered, scale) - first)
    up_to = ordered.searchsorted(_upper_bounds(first, last, scale), "right")
    return first, between(up_to, ordered.size)


def _downscaled(
    offset: int, counts: NDArray[np.int64], steps: int
) -> tuple[int, NDArray[np.int64]]:
    """Return the counts at a scale lower by *steps*: bucket i becomes bucket ``i >> steps``."""
    if steps == 0:
        return offset, counts
    positions = ((np.arange(counts.size, dtype=np.int64) + offset) >> steps) - (offset >> steps)
    coarse = np.zeros(int(positions[-1]) + 1, dtype=np.int64)
    np.add.at(coarse, positions, counts)
    return offset >> steps, coarse


class MagnitudeTally:
    """Builds an `ExponentialHistogram` by adding values in place. Has one owner.

    The result only depends on the observations, not on how they are divided into calls.
    """

    __slots__ = ("_limit", "_scale", "_sides", "_zero")

    def __init__(self, scale: int = MAX_SCALE, limit: int = MAX_BUCKETS) -> None:
        self._scale = scale
        self._limit = limit
        self._zero = 0
        self._sides: dict[int, tuple[int, NDArray[np.int64]]] = {}  # by sign

    def observe_sorted(self, ordered: Floats) -> None:
        """Add ascending finite values, shape (n,)."""
        below = int(ordered.searchsorted(0.0, "left"))
        above = int(ordered.searchsorted(0.0, "right"))
        self._zero += above - below
        for sign, side in ((1, ordered[above:]), (-1, -ordered[:below][::-1])):
            if side.size:
                low, high = _index(float(side[0]), MAX_SCALE), _index(float(side[-1]), MAX_SCALE)
                self._add(sign, _fitting_scale(low, high, self._limit), side)

    def _add(self, sign: int, scale: int, ordered: Floats) -> None:
        offset, counts = _side_of(ordered, min(scale, self._scale))
        self.add_counts(sign, min(scale, self._scale), offset, counts)

    def add_counts(self, sign: int, scale: int, offset: int, counts: NDArray[np.int64]) -> None:
        """Add dense counts of *sign*, 1 or -1; ``counts[i]`` belongs to bucket ``offset + i``."""
        self.lower(scale)
        offset, counts = _downscaled(offset, counts, scale - self._scale)
        ours, held = self._sides.get(sign, (offset, counts[:0]))
        if not held.size:
            ours = offset
        start, end = min(ours, offset), max(ours + held.size, offset + counts.size)
        steps = 0
        while (end - 1 >> steps) - (start >> steps) >= self._limit:
            steps += 1
        if steps:
            self.lower(self._scale - steps)
            offset, counts = _downscaled(offset, counts, steps)
            ours, held = self._sides.get(sign, (offset, counts[:0]))
            if not held.size:
                ours = offset
            start, end = min(ours, offset), max(ours + held.size, offset + counts.size)
        total = np.zeros(end - start, dtype=np.int64)
        total[ours - start : ours - start + held.size] += held
        total[offset - start : offset - start + counts.size] += counts
        self._sides[sign] = (start, total)

    def add_zeros(self, count: int) -> None:
        """Add *count* zeros."""
        self._zero += count

    def histogram(self) -> "ExponentialHistogram":
        """Return the histogram of all values so far."""
        sides = {
            sign: Buckets(at, tuple(held.tolist())) for sign, (at, held) in self._sides.items()
        }
        return ExponentialHistogram(
            self._scale,
            self._zero,
            sides.get(1, Buckets()),
            sides.get(-1, Buckets()),
            self._limit,
        )

    def lower(self, scale: int) -> None:
        """Lower the scale to *scale*, and convert the counts; larger scales change nothing."""
        if scale >= self._scale:
            return
        steps = self._scale - scale
        self._scale = scale
        self._sides = {
            sign: _downscaled(offset, counts, steps)
            for sign, (offset, counts) in self._sides.items()
        }
