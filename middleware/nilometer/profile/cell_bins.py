"""Finds the bin of each cell of a feature, for sums by bin."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.category import NULL_LIKE, Dictionary
from nilometer.profile.feature import Cell
from nilometer.profile.feature_bins import FeatureBins
from nilometer.profile.recorder import as_numbers, scalar

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
        names = None if dictionary is None else dictionary.names
        self.bins = FeatureBins.of(edges, names)
        self._edges = [*edges]
        self._sorted_edges = np.asarray(edges, np.float64)
        self._places = dict.fromkeys(NULL_LIKE, self.bins.unusable)
        self._other = self.bins.unusable
        if names is not None:
            self._places |= {name: self.bins.numbers + at for at, name in enumerate(names)}
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
        places = self._sorted_edges.searchsorted(numbers, "right")
        if not np.isfinite(numbers).all():
            places[~np.isfinite(numbers)] = self.bins.unusable
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
