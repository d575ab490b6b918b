"""How often a class is true at each score, learned from a reference with ground truth.

The shares of the bins ascend (isotonic regression): neighbours whose shares would fall are pooled.

Source: Ayer, Brunk, Ewing, Reid and Silverman, "An empirical distribution function for sampling
with incomplete information" (1955).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from nilometer.profile.performance.rates import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The share of true rows in each of *k* bins of scores, and how certain it is.

    Attributes:
        shares: Share of rows of the class, ascending, shape (k,). In a bin without reference rows it
            is interpolated between its neighbours.
        blocks: Number of the pooled block of each bin, ascending, shape (k,).
        variances: Variance of the share of each block, shape (blocks,).
    """

    shares: Floats
    blocks: np.ndarray[tuple[int], np.dtype[np.intp]]
    variances: Floats

    @classmethod
    def of(cls, positives: Floats, rows: Floats, middles: Floats) -> Self:
        """Return the calibration that a reference gives.

        Args:
            positives: Reference rows of the class in each bin, shape (k,).
            rows: All reference rows in each bin, shape (k,), one of them above 0.
            middles: Scores that stand for the bins, ascending, shape (k,).
        """
        filled = np.flatnonzero(rows > 0)
        pools: list[tuple[float, float, int]] = []  # positives, rows and bins of each block
        for at in filled.tolist():
            pools.append((float(positives[at]), float(rows[at]), 1))
            while len(pools) > 1 and _falls(pools[-2], pools[-1]):
                last, before = pools.pop(), pools.pop()
                pools.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
        true, of_block, bins = (
            np.array(column, dtype=np.float64) for column in zip(*pools, strict=True)
        )
        numbers = np.repeat(np.arange(len(pools)), bins.astype(np.intp))
        shares = np.interp(middles, middles[filled], (true / of_block)[numbers])
        nearest = np.searchsorted(filled, np.arange(rows.size)).clip(0, filled.size - 1)
        # Half a row of each kind is added, because a block of equal rows is not certain.
        smooth = (true + 0.5) / (of_block + 1.0)
        return cls(shares, numbers[nearest], smooth * (1.0 - smooth) / of_block)


def _falls(before: tuple[float, float, int], after: tuple[float, float, int]) -> bool:
    return before[0] * after[1] >= after[0] * before[1]
