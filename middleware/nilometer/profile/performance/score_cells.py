"""The scores of one class, counted by bin, by whether the class is predicted, and whether it is true.

The bins are those of `nilometer.profile.score`. Sums of scores are integers of a fixed scale, so no
order of merges changes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.performance.rates import Rate
from nilometer.profile.score import score_edges

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

SUM_BITS = 30  # scores are summed in units of 2^-SUM_BITS; 2^33 of them fit into one bin
GROUPS = 10  # groups of equal width of the calibration error


@dataclass(frozen=True, slots=True, eq=False)
class ScoreCells:
    """Counts and sums of shape (2, 2, bins): predicted, true, bin.

    Attributes:
        counts: Number of rows.
        sums: Sum of their scores in units of 2^-30, each score rounded.
    """

    counts: Counts
    sums: Counts

    @classmethod
    def of(
        cls,
        scores: Floats,
        predicted: NDArray[np.bool_],
        true: NDArray[np.bool_],
        thresholds: Sequence[float] = (),
    ) -> Self:
        """Return the cells of *scores* from 0 to 1, all arguments of shape (n,)."""
        edges = score_edges(thresholds)
        size = edges.size + 1
        places = (predicted * 2 + true) * size + edges.searchsorted(scores, "right")
        counts, sums = np.zeros(4 * size, np.int64), np.zeros(4 * size, np.int64)
        np.add.at(counts, places, 1)
        np.add.at(sums, places, np.rint(scores * 2.0**SUM_BITS).astype(np.int64))
        return cls(counts.reshape(2, 2, size), sums.reshape(2, 2, size))

    @classmethod
    def empty(cls, thresholds: Sequence[float] = ()) -> Self:
        """Return the cells of no rows."""
        shape = (2, 2, score_edges(thresholds).size + 1)
        return cls(np.zeros(shape, np.int64), np.zeros(shape, np.int64))

    def joined(self, thresholds: Sequence[float], common: Sequence[float]) -> Self:
        """Return the cells in fewer bins: *thresholds* are this one's, *common* some of them."""
        kept = score_edges(common)
        starts = np.concatenate([[0], score_edges(thresholds).searchsorted(kept) + 1])
        return type(self)(
            np.add.reduceat(self.counts, starts, axis=2), np.add.reduceat(self.sums, starts, axis=2)
        )

    def plus(self, other: Self) -> Self:
        """Return the cells of both, which have the same bins."""
        return type(self)(self.counts + other.counts, self.sums + other.sums)

    def minus(self, part: Self) -> Self:
        """Return the cells without those of *part*, which has the same bins."""
        return type(self)(self.counts - part.counts, self.sums - part.sums)

    def calibration_error(self, thresholds: Sequence[float] = ()) -> tuple[Rate, float] | None:
        """Return the expected calibration error, and its mean for a perfectly calibrated model.

        That is the mean over rows of the distance between the mean score and the share of the
        class, in ten groups of equal width. It is above 0 for a perfect model, because the shares
        of a few rows differ from their expectation. It is None without rows.
        """
        rows = float(self.counts.sum())
        if not rows:
            return None
        edges = score_edges(thresholds)
        starts = np.concatenate(
            [[0], edges.searchsorted(np.arange(1, GROUPS) / GROUPS, "left") + 1]
        )
        counts = self.counts.sum(axis=0).astype(np.float64)
        sums = self.sums.sum(axis=(0, 1)) / 2.0**SUM_BITS
        gaps = np.add.reduceat(sums - counts[1], starts)
        value = float(np.abs(gaps).sum()) / rows
        per_bin = counts.sum(axis=0)
        means = sums / np.where(per_bin > 0, per_bin, 1.0)
        signs = np.repeat(np.sign(gaps), np.diff(np.append(starts, edges.size + 1)))
        by_truth = np.stack([signs * means - value, signs * (means - 1.0) - value]) / rows
        spread = np.add.reduceat(per_bin * means * (1.0 - means), starts)
        noise = float(np.sqrt(np.maximum(spread, 0.0) * 2.0 / np.pi).sum()) / rows
        return Rate(value, np.broadcast_to(by_truth, self.counts.shape), rows), noise
