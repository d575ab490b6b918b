"""The numbers of one column: moments, a t-digest, and counts by magnitude or by bin.

Numbers are collected in a buffer and sorted once. Everything else is derived from the sorted order:
NaN and infinities are at the ends, counts are differences of positions, and the digest gets runs of
equal values. Without a reference, finite numbers are counted by magnitude, which can be exported
and re-binned. With a reference, they are counted exactly in its bins.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.binned import BinnedCounts
from nilometer.sketch.exponential import ExponentialHistogram, MagnitudeTally
from nilometer.sketch.moments import Moments
from nilometer.sketch.tdigest import BUFFER, DESCRIBED, TDigest
from nilometer.values.steps import Steps

Floats = NDArray[np.float64]

FIRST_BUFFER = 64  # length of the first buffer; it grows to the length of the digest's buffer
MOST_BUCKETS = 80  # buckets per sign without a reference: enough to export, small on the wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The frozen edges and range of a feature in a reference.

    Attributes:
        edges: Bin edges, ascending; a value equal to an edge belongs to the bin on its right.
        low: Smallest number of the reference; None if unknown.
        high: Largest number of the reference.
    """

    edges: tuple[float, ...]
    low: float | None = None
    high: float | None = None


@dataclass(slots=True)
class NumericProfile:
    """The numbers of a column; merging parts gives the same bits in any order.

    Attributes:
        nan: Count of NaN.
        positive_infinity: Count of positive infinities, and of integers beyond float64.
        negative_infinity: Count of negative infinities, and of integers beyond float64.
        zero: Count of finite numbers equal to 0.
        negative: Count of finite numbers below 0.
        below_reference: Count of finite numbers below the smallest of the reference.
        above_reference: Count of finite numbers above the largest of the reference.
        moments: Count, mean and central moments up to the fourth, of finite numbers.
        digest: Quantiles, minimum and maximum of finite numbers.
        histogram: Finite numbers by magnitude, for export. None without finite numbers, and in
            profiles of older agents that only counted in bins.
        binned: Finite numbers in the reference's bins; None without a reference.
    """

    nan: int = 0
    positive_infinity: int = 0
    negative_infinity: int = 0
    zero: int = 0
    negative: int = 0
    below_reference: int = 0
    above_reference: int = 0
    moments: Moments = field(default_factory=Moments)
    digest: TDigest = field(default_factory=TDigest)
    histogram: ExponentialHistogram | None = None
    binned: BinnedCounts | None = None

    @property
    def count(self) -> int:
        """Number of finite numbers."""
        return self.moments.count

    @property
    def non_finite(self) -> int:
        """Number of NaN and infinite numbers."""
        return self.nan + self.positive_infinity + self.negative_infinity

    def merge(self, other: Self) -> Self:
        """Return the profile of both columns."""
        return self.merge_all((self, other))

    @classmethod
    def merge_all(cls, profiles: Iterable[Self]) -> Self:
        """Return one profile of all columns, bit-identical for every order of *profiles*.

        Bins are kept only if all profiles with numbers have the same edges. Counts by magnitude are
        kept only if all profiles have them. The digest is always kept.
        """
        held = list(profiles)
        parts = [part for part in held if part.count]
        merged = cls(
            nan=sum(part.nan for part in held),
            positive_infinity=sum(part.positive_infinity for part in held),
            negative_infinity=sum(part.negative_infinity for part in held),
            zero=sum(part.zero for part in parts),
            negative=sum(part.negative for part in parts),
            below_reference=sum(part.below_reference for part in parts),
            above_reference=sum(part.above_reference for part in parts),
            digest=TDigest.merge_all(part.digest for part in parts),
        )
        bins = [part.binned for part in parts if part.binned is not None]
        if bins and len(bins) == len(parts) and len({counts.edges for counts in bins}) == 1:
            merged.binned = BinnedCounts.merge_all(bins)
        histograms = [part.histogram for part in parts if part.histogram is not None]
        if histograms and len(histograms) == len(parts):
            merged.histogram = ExponentialHistogram.merge_all(histograms)
        merged.moments = Moments.merge_all(part.moments for part in parts)
        return merged

    def scaled(self, factor: float) -> Self:
        """Return the counts times *factor*, at least 1, each rounded so that sums stay equal."""
        return type(self)(
            nan=round(self.nan * factor),
            positive_infinity=round(self.positive_infinity * factor),
            negative_infinity=round(self.negative_infinity * factor),
            zero=round(self.zero * factor),
            negative=round(self.negative * factor),
            below_reference=round(self.below_reference * factor),
            above_reference=round(self.above_reference * factor),
            moments=self.moments.scaled(factor),
            digest=self.digest.scaled(factor),
            histogram=self.histogram and self.histogram.scaled(factor),
            binned=self.binned and self.binned.scaled(factor),
        )

    def coarsened(self, fewest: int) -> Self:
        """Return the profile in which every number represents at least *fewest* numbers.

        The digest contains groups of numbers, see `nilometer.sketch.centroids.grouped`. Counts by
        magnitude count these groups. Counts in the reference's bins are kept, because the edges are
        public ranges. The count of zeros, or of a bin with a single value, is kept only if that
        value has its own group. Moments are kept, because they are sums over all numbers. If fewer
        than *fewest* of the other numbers remain, these are left out everywhere, and `count` is
        reduced by their number.
        """
        if not self.count:
            return self
        digest = self.digest.coarsened(fewest)
        means, weights, atoms = digest.centroids()
        coarse = type(self)(
            nan=self.nan,
            positive_infinity=self.positive_infinity,
            negative_infinity=self.negative_infinity,
            zero=int(weights[atoms & (means == 0.0)].sum()),
            digest=digest,
        )
        if not weights.size:
            return coarse
        coarse.histogram = ExponentialHistogram.of_weighted(means, weights, MOST_BUCKETS)
        if digest.count == self.count:
            coarse.moments = self.moments
            coarse.negative = self.negative
            coarse.below_reference = self.below_reference
            coarse.above_reference = self.above_reference
            shared = zip(means[atoms].tolist(), weights[atoms].astype(int).tolist(), strict=True)
            coarse.binned = self.binned and self.binned.without_single_values(dict(shared))
            return coarse
        # Only values shared by many observations are left, so counts and values can be disclosed.
        coarse.moments = Moments.of_weighted(means, weights)
        coarse.negative = int(weights[means < 0.0].sum())
        coarse.below_reference = _whole_groups(weights, self.below_reference)
        coarse.above_reference = _whole_groups(weights[::-1], self.above_reference)
        if self.binned is not None:
            coarse.binned = BinnedCounts.of_weighted(means, weights, self.binned.edges)
        return coarse

    def counts_on(self, edges: tuple[float, ...]) -> tuple[list[float], bool]:
        """Return the finite numbers in each bin of *edges*, shape (k + 1,), and whether estimated.

        Counts are exact if the profile has the same edges. Otherwise they are estimated from the
        digest, with its rank error (see `TDigest`) for each cumulative count.
        """
        if self.binned is not None and self.binned.edges == edges:
            return list(map(float, self.binned.counts)), False
        if not self.count:
            return [0.0] * (len(edges) + 1), False
        below = self.digest.rank(np.nextafter(np.asarray(edges), -np.inf))
        shares = np.diff(np.concatenate([[0.0], below, [1.0]]))
        return (np.maximum(shares, 0.0) * self.count).tolist(), True

    def describe(self) -> str:
        """Return a table of counters, moments and quantiles, as text."""
        deviation = self.moments.standard_deviation
        rows: list[tuple[str, float | None]] = [
            ("count", self.count),
            ("nan", self.nan),
            ("+inf", self.positive_infinity),
            ("-inf", self.negative_infinity),
            ("zero", self.zero),
            ("negative", self.negative),
        ]
        if self.binned is not None:
            rows += [("below ref", self.below_reference), ("above ref", self.above_reference)]
        if self.count:
            rows += [("mean", self.moments.mean), ("std", deviation), ("min", self.digest.min)]
            found = self.digest.quantile(DESCRIBED)
            rows += [(f"p{100 * q:g}", float(v)) for q, v in zip(DESCRIBED, found, strict=True)]
            rows.append(("max", self.digest.max))
        return "\n".join(f"{name:<10} {value:>14.6g}" for name, value in rows if value is not None)


class NumericRecorder:
    """Builds a `NumericProfile`. One owner.

    Args:
        bounds: Frozen edges and range of the reference; None without one.
    """

    __slots__ = ("_bounds", "_buffer", "_pending", "_profile", "_tally")

    def __init__(self, bounds: Bounds | None) -> None:
        self._bounds = bounds
        self._profile = NumericProfile()
        self._tally = MagnitudeTally(limit=MOST_BUCKETS)
        self._buffer: Floats | None = None
        self._pending = 0

    def observe(self, numbers: Floats) -> Steps[None]:
        """Add *numbers*, shape (n,), any float64, in steps."""
        start = 0
        while start < numbers.size:
            if self._pending == 0 and numbers.size - start >= BUFFER:
                yield from self._take(np.sort(numbers[start : start + BUFFER]))
                start += BUFFER
                continue
            part = numbers[start : start + BUFFER - self._pending]
            self._buffer = self._roomy(self._pending + part.size)
            self._buffer[self._pending : self._pending + part.size] = part
            self._pending += part.size
            start += part.size
            if self._pending == BUFFER:
                yield from self._empty()

    @property
    def held_bytes(self) -> int:
        """Approximate memory in bytes, without the fixed part and the first buffer."""
        buffered = self._buffer.size - FIRST_BUFFER if self._buffer is not None else 0
        return 8 * buffered + self._profile.digest.held_bytes

    def fold(self) -> Steps[None]:
        """Add the waiting numbers to the sketches in steps, and free their memory."""
        yield from self._empty()
        self._buffer = None
        self._profile.digest.join()

    def profile(self) -> Steps[NumericProfile]:
        """Return the profile of all numbers so far, in steps."""
        yield from self._empty()
        if self._profile.count:
            self._profile.histogram = self._tally.histogram()
        return self._profile

    def _roomy(self, numbers: int) -> Floats:
        """Return the buffer, enlarged to hold *numbers*, at most `BUFFER`."""
        held = self._buffer
        if held is not None and held.size >= numbers:
            return held
        size = FIRST_BUFFER
        while size < numbers:
            size *= 2
        larger = np.empty(size)
        if held is not None:
            larger[: self._pending] = held[: self._pending]
        return larger

    def _empty(self) -> Steps[None]:
        if self._pending and self._buffer is not None:
            ordered = np.sort(self._buffer[: self._pending])
            self._pending = 0
            yield
            yield from self._take(ordered)

    def _take(self, ordered: Floats) -> Steps[None]:
        """Count *ordered* numbers: -inf first, then finite ones, +inf, NaN last."""
        into = self._profile
        if not (np.isfinite(ordered[-1]) and np.isfinite(ordered[0])):
            first = int(ordered.searchsorted(-np.inf, "right"))
            last = int(ordered.searchsorted(np.inf, "left"))
            numbers = int(ordered.searchsorted(np.inf, "right"))
            into.negative_infinity += first
            into.positive_infinity += numbers - last
            into.nan += ordered.size - numbers
            ordered = ordered[first:last]
            if not ordered.size:
                return
        below_zero = int(ordered.searchsorted(0.0, "left"))
        up_to_zero = int(ordered.searchsorted(0.0, "right"))
        into.negative += below_zero
        into.zero += up_to_zero - below_zero
        if up_to_zero > below_zero:
            ordered[below_zero:up_to_zero] = 0.0  # -0.0 and 0.0 are one value
        into.moments = into.moments.merge(Moments.of(ordered))
        yield
        into.digest.observe_sorted(ordered)
        yield
        self._tally.observe_sorted(ordered)
        yield
        if self._bounds is not None:
            bounds = self._bounds
            counts = BinnedCounts.of_sorted(ordered, bounds.edges)
            into.binned = counts if into.binned is None else into.binned.merge(counts)
            if bounds.low is not None:
                into.below_reference += int(ordered.searchsorted(bounds.low, "left"))
            if bounds.high is not None:
                into.above_reference += ordered.size - int(
                    ordered.searchsorted(bounds.high, "right")
                )


def _whole_groups(weights: Floats, outside: int) -> int:
    """Return the number of values in whole groups, by *weights*, among the first *outside* values.

    A group is either completely inside or completely outside. *outside* may include a few numbers
    without a group, but fewer than the smallest group has.
    """
    up_to = np.cumsum(weights)
    return int(max(up_to[up_to <= outside], default=0.0))
