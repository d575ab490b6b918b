"""Sums of a value by bin of a feature, such as the sum of the prediction or of the loss.

The value has one number per row. Each number is rounded once to a whole number of units of
2^-bits, and the units are summed as integers. So no order and no grouping of additions changes a
bit of the sums. Sums of different units merge exactly in the finer unit.

The mean of a bin is its sum divided by its rows. The sum of squares is kept once for all bins. It
gives the variance within the bins, from which the standard errors of means follow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.feature_bins import FeatureBins
from nilometer.sketch.codec import scaled_counts

MAX_UNITS = 1 << 31  # largest rounded value; 2^32 rows of it have a sum below 2^63
MAX_BITS = 150  # largest binary exponent of a unit, in both directions
MAX_VALUE_CHARACTERS = 256  # longest name of a value

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Summed:
    """How the values of an output are rounded before they are summed.

    Attributes:
        bits: Binary exponent of the unit.
        is_public: Whether each number is first replaced by the middle of its bin, because the
            privacy level forbids sums of single numbers.
    """

    bits: int
    is_public: bool = False


class SumKey(NamedTuple):
    """Identifies the sums of a feature; only sums with equal keys merge.

    Attributes:
        value: Name of the summed value: an output such as ``output.score``, or an output and one
            of its classes such as ``output.label=yes``.
        bins: Bins of the feature.
    """

    value: str
    bins: FeatureBins

    def is_of(self, output: str) -> bool:
        """Return whether the value is *output* or one of its classes."""
        return self.value == output or self.value.startswith(f"{output}=")


@dataclass(frozen=True, slots=True)
class Rounded:
    """The values of n rows in whole units, ready to be summed by the bins of many features.

    Attributes:
        units: Rounded value of each usable row, in units of 2^-bits, shape (m,), m <= n. They are
            whole float64 numbers, because `numpy.bincount` sums them exactly below 2^53.
        rows: Positions of the usable rows, shape (m,); None if all n rows are usable.
        squares: Sum of the squares of *units*.
        bits: Binary exponent of the unit.
        left_out: Number of rows whose value is missing, not finite or beyond `MAX_UNITS`.
        is_public: Whether each value was replaced by a published one before it was rounded.
    """

    units: Floats
    rows: NDArray[np.intp] | None
    squares: int
    bits: int
    left_out: int
    is_public: bool

    @classmethod
    def of(cls, values: Floats, bits: int, *, is_public: bool = False) -> Self:
        """Return *values*, shape (n,), in units of 2^-bits; missing values are NaN."""
        with np.errstate(over="ignore", invalid="ignore"):
            units = np.rint(np.ldexp(values, bits))
            usable = np.abs(units) <= MAX_UNITS
        rows = None if usable.all() else np.flatnonzero(usable)
        if rows is not None:
            units = units[rows]
        return cls(units, rows, _squares(units), bits, values.size - units.size, is_public)

    def without_rows(self) -> Self:
        """Return no values, in the same unit."""
        return replace(self, units=self.units[:0], rows=None, squares=0, left_out=0)


def _squares(units: Floats) -> int:
    """Return the exact sum of the squares of whole *units* up to `MAX_UNITS`."""
    whole = units.astype(np.int64)
    low, high = whole & 0xFFFF, whole >> 16  # 2^30 products of 32 bits fit into int64
    parts = (int(high @ high) << 32, int(high @ low) << 17, int(low @ low))
    return sum(parts)


@dataclass(frozen=True, slots=True)
class BinSums:
    """The sum of one value by bin of one feature. Parts merge exactly, in any order.

    Attributes:
        bins: Bins of the feature.
        bits: Binary exponent of the unit: a sum of *s* units is ``s * 2**-bits``.
        counts: Number of rows with a usable value in each bin, length ``bins.size``.
        sums: Sum of the value in each bin, in units.
        squares: Sum of the squares of the value over all bins, in squared units.
        left_out: Number of rows whose value is missing, not finite or too large.
        unmatched: Number of cells of the feature whose row has no value, because the request and
            the response have different numbers of rows.
        is_public: Whether each value was replaced by a published one before it was summed. Only
            then a privacy level that groups values allows the sums.
    """

    bins: FeatureBins
    bits: int
    counts: tuple[int, ...]
    sums: tuple[int, ...]
    squares: int = 0
    left_out: int = 0
    unmatched: int = 0
    is_public: bool = False

    @property
    def rows(self) -> int:
        """Number of rows in the sums."""
        return sum(self.counts)

    @property
    def unit(self) -> float:
        """The unit of the sums."""
        return 2.0**-self.bits

    @classmethod
    def of(
        cls, bins: FeatureBins, places: NDArray[np.intp], values: Rounded, unmatched: int = 0
    ) -> Self:
        """Return the sums of n rows.

        Args:
            bins: Bins of the feature.
            places: Bin of the feature's cell in each row, shape (n,); n is at most 2^21, so that a
                float64 holds each sum exactly.
            values: Values of the rows.
            unmatched: Number of further rows without a value.
        """
        if values.rows is not None:
            places = places[values.rows]
        counts = np.bincount(places, minlength=bins.size)
        sums = np.bincount(places, weights=values.units, minlength=bins.size)
        return cls(
            bins,
            values.bits,
            tuple(counts.tolist()),
            tuple(map(int, sums.tolist())),
            values.squares,
            values.left_out,
            unmatched,
            values.is_public,
        )

    def merge(self, other: Self) -> Self:
        """Return the sums of both, which must have the same bins."""
        bits = max(self.bits, other.bits)
        ours, theirs = self._in_units(bits), other._in_units(bits)
        return type(self)(
            self.bins,
            bits,
            tuple(map(int.__add__, ours.counts, theirs.counts)),
            tuple(map(int.__add__, ours.sums, theirs.sums)),
            ours.squares + theirs.squares,
            ours.left_out + theirs.left_out,
            ours.unmatched + theirs.unmatched,
            ours.is_public and theirs.is_public,
        )

    def scaled(self, factor: float) -> Self:
        """Return the counts and sums times *factor*, at least 1, each rounded."""
        return replace(
            self,
            counts=tuple(scaled_counts(self.counts, factor)),
            sums=tuple(round(total * factor) for total in self.sums),
            squares=round(self.squares * factor),
            left_out=round(self.left_out * factor),
            unmatched=round(self.unmatched * factor),
        )

    def coarsened(self, fewest: int) -> Self | None:
        """Return the sums in which each bin has no rows or at least *fewest*; None if impossible.

        The rows of smaller bins move to the bin `FeatureBins.pooled`. If they are too few, the
        smallest other bin joins them. So the rows of each bin, and of any number of bins less any
        others of this feature, are none or at least *fewest*. Sums of overlapping rows of different
        features can differ by one row. So the result is None unless the values are public.
        """
        if not self.is_public or 0 < self.left_out + self.unmatched < fewest:
            return None
        counts, sums = [*self.counts], [*self.sums]
        pooled = self.bins.pooled
        by_size = sorted((n, at) for at, n in enumerate(counts) if n and at != pooled)
        for rows, at in by_size:
            if rows >= fewest and not 0 < counts[pooled] < fewest:
                break
            counts[pooled] += rows
            sums[pooled] += sums[at]
            counts[at] = sums[at] = 0
        if 0 < counts[pooled] < fewest:
            return None
        return replace(self, counts=tuple(counts), sums=tuple(sums))

    def _in_units(self, bits: int) -> Self:
        """Return the same sums in units of 2^-bits, which are not coarser."""
        finer = bits - self.bits
        if not finer:
            return self
        return replace(
            self,
            bits=bits,
            sums=tuple(total << finer for total in self.sums),
            squares=self.squares << 2 * finer,
        )


def merged_sums(parts: Iterable[Mapping[SumKey, BinSums]]) -> dict[SumKey, BinSums]:
    """Return the sums of all *parts* by key, ordered by key."""
    found: dict[SumKey, BinSums] = {}
    for part in parts:
        for key, sums in part.items():
            held = found.get(key)
            found[key] = sums if held is None else held.merge(sums)
    return dict(sorted(found.items()))


def means(sums: BinSums) -> Floats:
    """Return the mean of the value in each bin, shape (bins,); NaN for an empty bin."""
    counts = np.asarray(sums.counts, np.float64)
    with np.errstate(invalid="ignore"):
        return _floats(sums.sums) / np.where(counts > 0, counts, np.nan) * sums.unit


def variance_within(sums: BinSums) -> float:
    """Return the variance of the value within the bins, weighted by their rows; 0 without rows."""
    rows = sums.rows
    if not rows:
        return 0.0
    # Whole numbers, because squares and squared sums nearly cancel out for a narrow value.
    explained = sum(
        total * total // count for total, count in zip(sums.sums, sums.counts, strict=True) if count
    )
    return max(sums.squares - explained, 0) / rows * sums.unit**2


def _floats(numbers: Sequence[int]) -> Floats:
    return np.array([float(number) for number in numbers], np.float64)
