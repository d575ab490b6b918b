"""The record of a comparator: its function, unit, bounds and bias."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nilometer.compare.bins import CommonBins, common_bins
from nilometer.compare.shares import Floats
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.reference import ReferenceColumn

LONGEST_ABBREVIATION = 3  # names up to this length are abbreviations, such as psi


class Fewest(NamedTuple):
    """The smallest counts for which a distance is computed.

    Attributes:
        reference: Smallest count of the reference.
        current: Smallest count of the current side.
    """

    reference: int = 1
    current: int = 1


class Interval(NamedTuple):
    """The range that contains the distance of the two populations with 95 % confidence."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """A column and its reference, as a comparator receives them.

    Attributes:
        bins: Counts of both sides in the same bins; neither side is empty.
        past: Profile of the reference.
        now: Profile of the current side.
    """

    bins: CommonBins
    past: FeatureProfile
    now: FeatureProfile

    @property
    def counts(self) -> tuple[Floats, Floats]:
        """Counts of the reference and of the current side, each of shape (k,)."""
        return (
            np.asarray(self.bins.reference, np.float64),
            np.asarray(self.bins.current, np.float64),
        )


class Counted(Enum):
    """What the counts of a comparator count. The values are the words for it."""

    VALUES = "values"  # finite numbers and categories
    CELLS = "cells"  # also missing cells
    VECTORS = "vectors"  # vectors with coordinates in the components of a reference

    def of(self, feature: FeatureProfile) -> int:
        """Return the count of *feature*."""
        match self:
            case Counted.CELLS:
                return feature.cells
            case Counted.VECTORS:
                return max((sums.count for sums in feature.vectors.values()), default=0)
            case Counted.VALUES:
                return feature.count


BinsOf = Callable[[ReferenceColumn, FeatureProfile], CommonBins | None]


def _no_noise(sides: Sides) -> float:
    del sides
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparator:
    """A distance of a distribution from its reference, which alerters and queries may name.

    Attributes:
        name: Name in alerters, on the wire and in the API: ``[a-z][a-z0-9_]*``.
        distance: Function that returns the distance, at least 0; None if it is undefined.
        about: Meaning of the distance, one sentence.
        unit: Unit of the distance; empty for a share or another plain number.
        highest: Largest possible distance; infinite without a bound. The smallest is 0.
        bias: Expected distance of two samples of one distribution, in words; *n*, *N* and *k* are
            the counts of both sides and the number of bins.
        source: Publication that defines the distance.
        fewest: Fewest values of both sides for a distance.
        needs_order: Whether the distance exists for numbers only.
        noise: Function that returns the expected distance without drift, as `bias` describes it.
        interval: Function that returns the interval of the distance; None if unknown.
        bins: Function that counts both sides in common bins; None if they cannot be compared.
        counted: What the counts of both sides count.
    """

    name: str
    distance: Callable[[Sides], float | None] = field(repr=False)
    about: str = field(default="", repr=False)
    unit: str = field(default="", repr=False)
    highest: float = field(default=float("inf"), repr=False)
    bias: str = field(default="not known", repr=False)
    source: str = field(default="", repr=False)
    fewest: Fewest = field(default=Fewest(), repr=False)
    needs_order: bool = field(default=False, repr=False)
    noise: Callable[[Sides], float] = field(default=_no_noise, repr=False)
    interval: Callable[[Sides], Interval] | None = field(default=None, repr=False)
    bins: BinsOf = field(default=common_bins, repr=False)
    counted: Counted = field(default=Counted.VALUES, repr=False)

    @property
    def title(self) -> str:
        """Name for texts: abbreviations in upper case, other names in words."""
        short = len(self.name) <= LONGEST_ABBREVIATION
        return self.name.upper() if short else self.name.replace("_", " ")


def of_counts(function: Callable[[ArrayLike, ArrayLike], float]) -> Callable[[Sides], float]:
    """Convert a *function* of the counts of both sides to a function of `Sides`."""

    def of_sides(sides: Sides) -> float:
        return function(*sides.counts)

    return of_sides
