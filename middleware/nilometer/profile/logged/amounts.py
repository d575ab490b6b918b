"""Amounts: numbers by key, which merge exactly.

Sums are exact: an amount is a whole number of the smallest float64, 2^-1074, so the order and the grouping
of a merge change no bit of the result. A mean is the exact sum of value times weight over
the exact sum of weights, rounded once when it is read.

Merged samples keep a bounded number of keys: the smallest. All others are folded into one overflow key. A
key that is not among the smallest of some samples is not among the smallest of all, so folding early or
late gives the same result.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Generic, NamedTuple, Self, TypeVar

from nilometer.sketch.exact import UNIT_BITS

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
    """One aggregated number.

    Attributes:
        units: Number in units of 2^-1074; for a mean, the sum of value times weight.
        weight: Sum of the weights; 0 for a cell without a number.
    """

    units: int
    weight: int

    @classmethod
    def of(cls, value: float, aggregation: Aggregation, weight: int = 1) -> Self:
        """Return the amount of one finite *value*."""
        numerator, denominator = value.as_integer_ratio()
        units = numerator << (UNIT_BITS + 1 - denominator.bit_length())
        return cls(units * weight if aggregation is Aggregation.MEAN else units, weight)

    def value(self, aggregation: Aggregation) -> float | None:
        """Return the number, correctly rounded; None without one."""
        if not self.weight:
            return None
        divisor = self.weight if aggregation is Aggregation.MEAN else 1
        return self.units / (divisor << UNIT_BITS)


NO_AMOUNT = Amount(0, 0)


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
    weight = one.weight + other.weight
    match aggregation:
        case Aggregation.MIN:
            return Amount(min(one.units, other.units), weight)
        case Aggregation.MAX:
            return Amount(max(one.units, other.units), weight)
        case Aggregation.SUM | Aggregation.MEAN | Aggregation.LAST:
            return Amount(one.units + other.units, weight)
