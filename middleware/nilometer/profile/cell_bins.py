"""Finds the bin of each cell of a feature, for sums by bin."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.category import NULL_LIKE, Dictionary
from nilometer.profile.feature import Cell
from nilometer.profile.feature_bins import FeatureBins
from nilometer.profile.recorder import as_numbers, scalar

MANY = 2048  # numbers above which comparisons with all edges are faster than a search
MOST_COMPARED = 128  # most edges that numbers are compared with
AT_ONCE = 4096  # numbers that are compared at once; with 31 edges, the results take 127 kB

Places = NDArray[np.intp]


class CellBins:
    """The bins of one feature, with what decides the bin of a cell. It never changes.

    Args:
        edges: Edges of the reference's numbers, ascending; empty without numbers.
        dictionary: Dictionary of the reference's categories; None without categories.

    Attributes:
        bins: Bins of the feature.
    """

    __slots__ = ("_edges", "_other", "_places", "_sorted_edges", "bins")

    def __init__(self, edges: Sequence[float], dictionary: Dictionary | None) -> None:
        self.bins = FeatureBins.of(edges, dictionary)
        self._edges = [*edges]
        self._sorted_edges = np.asarray(edges, np.float64)
        self._places = dict.fromkeys(NULL_LIKE, self.bins.unusable)
        self._other = self.bins.unusable
        if dictionary is not None:
            names = enumerate(dictionary.names)
            self._places |= {name: self.bins.numbers + at for at, name in names}
            self._other = self.bins.missing - 1

    def places(self, cells: Sequence[Cell] | NDArray[np.generic]) -> Places:
        """Return the position of the bin of each of n *cells*, shape (n,).

        Numbers as an array, shape (n,), are the fastest form.
        """
        numbers = as_numbers(cells)
        if numbers is None:
            return np.fromiter(map(self._place_of, cells), np.intp, len(cells))
        if not self._edges:
            return np.full(numbers.size, self.bins.unusable)
        places = self._between(numbers)
        if not np.isfinite(numbers).all():
            places[~np.isfinite(numbers)] = self.bins.unusable
        return places

    def _between(self, numbers: NDArray[np.float64]) -> Places:
        """Return the number of edges that are not above each of *numbers*, shape (n,)."""
        edges = self._sorted_edges
        if numbers.size < MANY or edges.size > MOST_COMPARED:
            return edges.searchsorted(numbers, "right")
        places = np.empty(numbers.size, np.intp)
        for start in range(0, numbers.size, AT_ONCE):
            # Comparisons with all edges take a fifth of the time of a search, because they have no
            # branches.
            part = numbers[start : start + AT_ONCE]
            is_above = part >= edges[:, np.newaxis]
            places[start : start + AT_ONCE] = is_above.view(np.uint8).sum(axis=0, dtype=np.uint8)
        return places

    def _place_of(self, cell: Cell) -> int:
        if type(cell) is str:
            return self._places.get(cell, self._other)
        match scalar(cell):
            case None:
                return self.bins.missing
            case bool() as truth:
                return self._places.get("true" if truth else "false", self._other)
            case int() | float() as number:
                # An integer beyond float64 counts as an infinity; comparisons with it are exact.
                if self._edges and abs(number) <= _LARGEST:
                    return bisect_right(self._edges, number)
                return self.bins.unusable
            case str() as text:
                return self._places.get(text, self._other)
            case _:
                return self.bins.unusable


_LARGEST = float(np.finfo(np.float64).max)
