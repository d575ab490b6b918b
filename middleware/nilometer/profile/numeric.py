"""The numbers of one column: moments, a t-digest, counts by magnitude and on frozen edges.

Before a reference exists, finite numbers are counted by magnitude, which can be exported and
re-binned; once there are edges they are counted on those, exactly.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.histogram import BinnedCounts, ExponentialHistogram
from nilometer.sketch.moments import Moments
from nilometer.sketch.tdigest import TDigest


@dataclass(slots=True)
class NumericProfile:
    """All sketches of the finite numbers of a column. One owner observes.

    Attributes:
        moments: Count, mean and central moments to the fourth.
        digest: Quantiles, minimum and maximum.
        histogram: By magnitude.
        binned: On the reference's edges; None without a reference.
    """

    moments: Moments = field(default_factory=Moments)
    digest: TDigest = field(default_factory=TDigest)
    histogram: ExponentialHistogram = field(default_factory=ExponentialHistogram)
    binned: BinnedCounts | None = None

    @property
    def count(self) -> int:
        """Finite numbers."""
        return self.moments.count

    def observe(self, numbers: NDArray[np.float64], edges: tuple[float, ...] | None) -> None:
        """Add finite *numbers*, shape (n,), counted on ascending *edges* where there are any."""
        # Bins count every number or are not kept: what was merged from parts without bins has
        # none, and starts none.
        if self.binned is not None:
            edges = self.binned.edges
        elif self.count:
            edges = None
        self.moments = self.moments.merge(Moments.of(numbers))
        self.digest.observe(numbers)
        self.histogram = self.histogram.merge(ExponentialHistogram.of(numbers))
        if edges is not None:
            counts = BinnedCounts.of(numbers, edges)
            self.binned = counts if self.binned is None else self.binned.merge(counts)

    @classmethod
    def merge_all(cls, profiles: Iterable[Self]) -> Self:
        """One profile of all columns, the same bits for every order of *profiles*.

        Bins survive only where all that have numbers have the same edges.
        """
        parts = [part for part in profiles if part.count]
        merged = cls(digest=TDigest.merge_all(part.digest for part in parts))
        bins = [part.binned for part in parts if part.binned is not None]
        if bins and len(bins) == len(parts) and len({counts.edges for counts in bins}) == 1:
            merged.binned = bins[0]
            for counts in bins[1:]:
                merged.binned = merged.binned.merge(counts)
        for part in sorted(parts, key=_canonical):
            merged.moments = merged.moments.merge(part.moments)
            merged.histogram = merged.histogram.merge(part.histogram)
        return merged


def _canonical(profile: NumericProfile) -> tuple[float, ...]:
    """An order of profiles that does not depend on their arrival: floats add alike."""
    moments = profile.moments
    return (moments.count, moments.mean, moments.m2, moments.m3, moments.m4)
