"""Both sides of a column of vectors: means and covariances in the components of one reference."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from nilometer.compare.bins import CommonBins
from nilometer.compare.comparator import Sides
from nilometer.compare.shares import Floats
from nilometer.profile.derived.vector_sums import Basis, VectorSums
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.reference import ReferenceColumn

ROUNDING = 1 / 12  # variance of a rounding error, in squared units


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of the vectors of one side in *k* components.

    Attributes:
        count: Number of vectors.
        mean: Mean of each coordinate, shape (k,).
        covariance: Covariance matrix with the divisor *count*, shape (k, k). It includes the variance
            of rounding to units, so it is never singular.
    """

    count: int
    mean: Floats
    covariance: Floats

    @classmethod
    def of(cls, sums: VectorSums, basis: Basis) -> Self:
        """Return the moments of *sums*, which have this basis, in units of the basis."""
        mean, covariance = sums.moments(0)
        return cls(sums.count, mean, covariance + ROUNDING * np.eye(basis.size))


def moments_of(sides: Sides) -> tuple[Moments, Moments]:
    """Return the moments of the reference and of the current side, in units of their basis.

    Raises:
        ValueError: If the sides have no basis in common.
    """
    basis = _common(sides.past, sides.now)
    if basis is None:
        raise ValueError("the vectors of both sides have no basis in common")
    return (
        Moments.of(sides.past.vectors[basis], basis),
        Moments.of(sides.now.vectors[basis], basis),
    )


def vector_bins(reference: ReferenceColumn, current: FeatureProfile) -> CommonBins | None:
    """Return the numbers of vectors of both sides, in one bin; None without a basis in common."""
    basis = _common(reference.feature, current)
    if basis is None:
        return None
    past, now = (side.vectors[basis].count for side in (reference.feature, current))
    return CommonBins(reference=[past], current=[now], names=[""], ordered=False)


def _common(past: FeatureProfile, now: FeatureProfile) -> Basis | None:
    """Return the basis with most current vectors among those of both sides; None without one."""
    both = past.vectors.keys() & now.vectors.keys()
    return max(both, key=lambda basis: (now.vectors[basis].count, basis), default=None)
