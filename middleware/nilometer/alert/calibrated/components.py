"""Components: converts the counts of windows to a few numbers with a known sampling variance.

A column of numbers has up to four smooth components: position, scale, skew and tails. They are
projections of its shares in the reference's bins on polynomials of the rank, which are orthonormal
under the reference. For data like the reference, each component has mean 0 and variance 1/n, and
components are uncorrelated. The fifth component, the shape, is the rest of Pearson's chi-square.
Every column also has rates.

Source: Rayner, Thas and Best, "Smooth Tests of Goodness of Fit", 2nd ed. (2009), chapter 4, for
the decomposition of the chi-square.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from nilometer.alert.calibrated.columns import Column, Floats, Total
from nilometer.alert.calibrated.dispersion import TINY

SMOOTH = ("position", "scale", "skew", "tails")
LEAST_SHAPE_DEGREES = 5  # fewest degrees of freedom of a judged shape


def orthonormal(shares: Floats, degree: int) -> Floats:
    """Return polynomials of the mid-rank, orthonormal under *shares*, without the constant.

    Args:
        shares: Shares of the bins, shape (k,), all above 0, with sum 1.
        degree: Highest degree, at most k - 1.

    Returns:
        Their values in each bin, shape (k, degree). Gram-Schmidt runs twice for each polynomial,
        so that the result is exact for bins with a large share, too.
    """
    rank = 2.0 * (np.cumsum(shares) - shares / 2.0) - 1.0
    found = [np.ones_like(shares)]
    for power in range(1, degree + 1):
        vector = rank**power
        for _ in range(2):
            for other in found:
                vector = vector - (shares * vector * other).sum() * other
        found.append(vector / np.sqrt((shares * vector * vector).sum()))
    return np.stack(found[1:], axis=1) if degree else np.zeros((len(shares), 0))


@dataclass(frozen=True, slots=True)
class Components:
    """The components of W windows of a layout.

    Attributes:
        numbers: Count of numbers in each shaped column, shape (W, C).
        smooth: Smooth components, shape (W, C, 4); 0 if a column has fewer.
        chi: Rest of the chi-square, shape (W, C).
        totals: Denominator of each rate, shape (W, R).
        rates: Rates, shape (W, R); 0 if the denominator is 0.
    """

    numbers: Floats
    smooth: Floats
    chi: Floats
    totals: Floats
    rates: Floats


class Layout:
    """The positions of the counts of several columns in the joined vector of a window.

    Args:
        columns: The columns, in the order of their vectors in the joined vector.

    Attributes:
        columns: The columns.
        width: Length of the joined vector.
        offsets: Start of each column's vector in the joined vector.
        shaped: Positions of the columns that have smooth components (at least two bins).
        degrees: Number of smooth components of each shaped column, 1 to 4.
        spare: Degrees of freedom of the shape of each shaped column.
        of_rate: Position of the column of each rate.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        *offsets, self.width = accumulate((column.width for column in columns), initial=0)
        self.offsets = tuple(offsets)
        self.shaped = tuple(i for i, column in enumerate(columns) if column.bins >= 2)
        bins = [self.columns[i].bins for i in self.shaped]
        self.degrees = np.array([min(len(SMOOTH), k - 1) for k in bins], np.intp)
        self.spare = np.array(bins, np.intp) - 1 - self.degrees
        self._starts = np.array(list(accumulate(bins, initial=0))[:-1], np.intp)
        self._bins = _joined(np.arange(self.offsets[i], self.offsets[i] + k)
                             for i, k in zip(self.shaped, bins, strict=True))  # fmt: skip
        self._shares = np.concatenate([np.zeros(0), *(self.columns[i].shares for i in self.shaped)])
        self._basis = np.zeros((len(self._bins), len(SMOOTH)))
        for start, k, i in zip(self._starts, bins, self.shaped, strict=True):
            degree = min(len(SMOOTH), k - 1)
            self._basis[start : start + k, :degree] = orthonormal(self.columns[i].shares, degree)
        rated = list(zip(self.columns, self.offsets, strict=True))
        self.of_rate = _joined(np.full(len(c.rates), i) for i, c in enumerate(self.columns))
        self._numerators = _joined(o + c.bins + np.arange(len(c.rates)) for c, o in rated)
        self._denominators = _joined(
            np.array([o + c.width - len(Total) + rate.of for rate in c.rates]) for c, o in rated
        )
        self._widths = np.array([column.width for column in self.columns], np.intp)
        totals = np.array([o + c.width - len(Total) for c, o in rated], np.intp)
        self._cells = totals + int(Total.CELLS)
        self._requests = totals + int(Total.REQUESTS)
        self._squares = totals + int(Total.SQUARES)

    def rows_per_request(self, counts: Floats) -> Floats:
        """Return the mean cells per request, shape (W, C); NaN if requests are unknown."""
        cells, requests = counts[:, self._cells], counts[:, self._requests]
        return np.where(requests > 0, cells / np.maximum(requests, 1.0), np.nan)

    def effective(self, counts: Floats, usual: Floats) -> Floats:
        """Return *counts* scaled to the effective number of independent rows of each column.

        Rows of one request, or of one user, are similar to each other. If requests have more
        rows than usual, the additional rows have no weight. If subjects are known, rows have the
        weight of Kish's effective sample size, ``(sum n)^2 / sum n^2``.

        Args:
            counts: Joined vectors, shape (W, `width`).
            usual: Usual rows per request of each column, shape (C,); NaN if unknown.
        """
        squares = counts[:, self._squares]
        repeated = np.where(squares > 0, counts[:, self._cells] / np.maximum(squares, TINY), 1.0)
        crowded = usual / np.maximum(self.rows_per_request(counts), TINY)
        share = np.fmin(np.fmin(crowded, repeated), 1.0)
        if (share >= 1.0).all():
            return counts
        return np.asarray(counts * np.repeat(share, self._widths, axis=1))

    def components(self, counts: Floats) -> Components:
        """Return the components of windows.

        Args:
            counts: Joined vectors, shape (W, `width`); effective counts may be fractions.
        """
        held = counts[:, self._bins]
        if len(self.shaped):
            numbers = np.add.reduceat(held, self._starts, axis=1)
            divisor = np.maximum(numbers, 1.0)
            smooth = np.add.reduceat(held[:, :, None] * self._basis, self._starts, axis=1)
            smooth /= divisor[:, :, None]
            squares = np.add.reduceat(held * held / self._shares, self._starts, axis=1)
            # sum (c - n q)^2 / (n q) = sum c^2 / (n q) - n, because the bins contain all n numbers
            chi = squares / divisor - numbers - divisor * (smooth * smooth).sum(axis=2)
        else:
            numbers, chi = np.zeros((2, len(counts), 0))
            smooth = np.zeros((len(counts), 0, len(SMOOTH)))
        totals = counts[:, self._denominators]
        rates = counts[:, self._numerators] / np.maximum(totals, 1.0)
        return Components(numbers, smooth, chi, totals, rates)


def _joined(parts: Iterable[NDArray[np.intp]]) -> NDArray[np.intp]:
    return np.concatenate([np.zeros(0, np.intp), *parts]).astype(np.intp)
