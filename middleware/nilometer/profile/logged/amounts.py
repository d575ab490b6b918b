"""Amounts: numbers by key, which merge exactly.

Sums are exact: an amount is a whole number of the smallest float64, 2^-1074, kept as the nearest float64 and
what it lacks. So the order and the grouping of a merge change no bit of the result. A mean is the exact sum of value times weight over
the exact sum of weights, rounded once when it is read.

Merged samples keep a bounded number of keys: the smallest. All others are folded into one overflow key. A
key that is not among the smallest of some samples is not among the smallest of all, so folding early or
late gives the same result.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Generic, NamedTuple, Self, TypeVar

from nilometer.sketch.exact import UNIT_BITS, units_of

MANTISSA_BITS = 53  # of a float64
MAX_VALUE = 1e270  # largest absolute value; a sum of 2^48 weights and 10,000 samples fits float64
MAX_WEIGHT = 1 << 48

K = TypeVar("K", bound=tuple[object, ...])


class Aggregation(Enum):
    """The way in which values of several samples are merged."""

    SUM = "sum"
    MEAN = "mean"  # weighted mean
    MIN = "min"
    MAX = "max"
    LAST = "last"  # the newest sample replaces all others


class Amount(NamedTuple):
    """One aggregated number, exact: the nearest float64 and what it lacks.

    Attributes:
        nearest: float64 nearest to the number; for a mean, to the sum of value times weight.
        lacks: The number minus *nearest*, in units of 2^-1074; mostly 0.
        weight: Sum of the weights; 0 for a cell without a number.
    """

    nearest: float
    lacks: int
    weight: int

    @classmethod
    def of(cls, value: float, aggregation: Aggregation, weight: int = 1) -> Self:
        """Return the amount of one finite *value*."""
        if aggregation is Aggregation.MEAN and weight != 1:
            return cls.of_units(units_of(value) * weight, weight)
        return cls(value + 0.0, 0, weight)  # adding 0.0 turns -0.0 into 0.0

    @classmethod
    def of_units(cls, units: int, weight: int) -> Self:
        """Return the amount of a number of *units* of 2^-1074.

        Raises:
            OverflowError: If it is beyond float64.
        """
        nearest = units / (1 << UNIT_BITS)
        return cls(nearest, units - units_of(nearest), weight)

    @property
    def units(self) -> int:
        """The number in units of 2^-1074."""
        return units_of(self.nearest) + self.lacks

    def plus(self, other: Self) -> Self:
        """Return the sum of both.

        Raises:
            OverflowError: If it is beyond float64.
        """
        one, two, weight = self.nearest, other.nearest, self.weight + other.weight
        total = one + two
        of_two = total - one
        error = (one - (total - of_two)) + (two - of_two)  # exact (Knuth, TwoSum)
        lacks = self.lacks + other.lacks
        if error == 0.0 and not lacks:
            return type(self)(total, 0, weight)
        if not math.isfinite(error):
            raise OverflowError("a sum of amounts is beyond float64")
        lacks += units_of(error)
        mantissa, exponent = math.frexp(total)
        below_half_a_step = lacks.bit_length() < exponent - MANTISSA_BITS + UNIT_BITS
        if abs(mantissa) > 0.5 and below_half_a_step:  # at 0.5, the step below is smaller
            return type(self)(total, lacks, weight)
        return type(self).of_units(units_of(total) + lacks, weight)

    def value(self, aggregation: Aggregation) -> float | None:
        """Return the number, correctly rounded; None without one."""
        if not self.weight:
            return None
        if aggregation is Aggregation.MEAN and self.weight != 1:
            return self.units / (self.weight << UNIT_BITS)
        return self.nearest


NO_AMOUNT = Amount(0.0, 0, 0)


class Stamp(NamedTuple):
    """The age of a sample: samples compare by the end of the window, then by creation time.

    Attributes:
        end_ns: End of the window, Unix nanoseconds.
        created_ns: Time at which the sample was created, Unix nanoseconds.
    """

    end_ns: int = 0
    created_ns: int = 0


NO_STAMP = Stamp()


class Head(NamedTuple):
    """The properties of a sample of amounts, without the amounts.

    Attributes:
        aggregation: How samples are merged.
        unit: Unit of the numbers, as a text.
        stamp: Stamp of the sample.
    """

    aggregation: Aggregation = Aggregation.LAST
    unit: str = ""
    stamp: Stamp = NO_STAMP


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts(Generic[K]):
    """Amounts by key, of one sample or of several.

    Attributes:
        aggregation: How samples are merged.
        unit: Unit of the numbers, for readers; samples of different units do not merge.
        count: Number of samples.
        stamp: Stamp of the newest sample.
        cells: Amounts by key.
    """

    aggregation: Aggregation = Aggregation.LAST
    unit: str = ""
    count: int = 0
    stamp: Stamp = NO_STAMP
    cells: Mapping[K, Amount] = field(default_factory=dict)

    @classmethod
    def of(cls, head: Head, cells: Mapping[K, Amount]) -> Self:
        """Return the amounts of one sample."""
        return cls(
            aggregation=head.aggregation, unit=head.unit, count=1, stamp=head.stamp, cells=cells
        )

    @classmethod
    def merge_all(cls, parts: Iterable[Self]) -> Self:
        """Merge amounts. The order and grouping of *parts* change no bit of the result.

        With `Aggregation.LAST`, all *parts* must be of one sample.

        Raises:
            ValueError: If the aggregations or the units differ.
        """
        given = [part for part in parts if part.count]
        if not given:
            return cls()
        if len({(part.aggregation, part.unit) for part in given}) > 1:
            raise ValueError("samples of different aggregations or units do not merge")
        cells: dict[K, Amount] = {}
        for part in given:
            for key, amount in part.cells.items():
                known = cells.get(key)
                cells[key] = amount if known is None else _joined(known, amount, part.aggregation)
        count, stamp = sum(part.count for part in given), max(part.stamp for part in given)
        return replace(given[0], count=count, stamp=stamp, cells=cells)

    def folded(self, place: Callable[[K], K]) -> Self:
        """Return the amounts with those of each key at *place(key)*; those at one place merge."""
        cells: dict[K, Amount] = {}
        for key, amount in self.cells.items():
            at = place(key)
            known = cells.get(at)
            cells[at] = amount if known is None else _joined(known, amount, self.aggregation)
        return replace(self, cells=cells)

    def value(self, key: K) -> float | None:
        """Return the number at *key*; None if it does not exist."""
        return self.cells.get(key, NO_AMOUNT).value(self.aggregation)


def _joined(one: Amount, other: Amount, aggregation: Aggregation) -> Amount:
    if not one.weight or not other.weight:
        return one if one.weight else other
    match aggregation:
        case Aggregation.MIN:
            return min(one, other)._replace(weight=one.weight + other.weight)
        case Aggregation.MAX:
            return max(one, other)._replace(weight=one.weight + other.weight)
        case Aggregation.SUM | Aggregation.MEAN | Aggregation.LAST:
            return one.plus(other)
