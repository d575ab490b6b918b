"""Counts between the frozen edges of a reference; comparisons that use these edges are exact."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nilometer.sketch.codec import between, scaled_counts
from nilometer.values.errors import IncompatibleSketches

Floats = NDArray[np.float64]

FLOAT32_SPACING = 2.0**-23  # largest relative distance between neighbours in float32
SUM_ERROR = 2.0**-50  # change by another order of additions, relative to the largest magnitude
_ONE_VALUE = 2.0**-49  # relative distance below which quantiles count as one value


def edges_id(edges: Sequence[float]) -> str:
    """Return the id of frozen edges; equal edges have equal ids."""
    packed = np.asarray(edges, dtype="<f8").tobytes()
    return hashlib.blake2b(packed, digest_size=8).hexdigest()


def tolerance(values: ArrayLike, scale: float) -> Floats:
    """Return how far *values* may move although the data is the same; same shape.

    A value moves by up to half a spacing of float32 if a pipeline stores it in that type. A sum in
    another order of additions moves by some spacings of float64, at the magnitude of its terms.

    Args:
        values: Finite numbers, any shape.
        scale: Largest magnitude in the column, as far as known.
    """
    return np.abs(np.asarray(values, np.float64)) * FLOAT32_SPACING + scale * SUM_ERROR


def quantile_edges(quantiles: Floats) -> tuple[float, ...]:
    """Return edges at ascending *quantiles* of a reference, shape (k,); at most *k* of them.

    A value that covers more than one quantile, such as zero or a default, gets its own bin. So a
    constant that changes is visible in both directions. Edges keep the `tolerance` of the values
    next to them as a distance, but at most a quarter of the distance to the next quantile. So
    values that were converted to float32 or summed in another order stay in their bins.
    """
    finite = np.sort(quantiles[np.isfinite(quantiles)])
    if not finite.size:
        return ()
    with np.errstate(over="ignore"):  # the distance of two values may be infinite
        # Quantiles that differ by only some spacings of float64 are one value.
        apart = np.flatnonzero(np.diff(finite) > np.abs(finite[1:]) * _ONE_VALUE)
        low, high = finite[np.append(0, apart + 1)], finite[np.append(apart, finite.size - 1)]
        shared = np.diff(np.concatenate([[0], apart + 1, [finite.size]])) > 1
        gaps = np.concatenate([[np.inf], (low[1:] - high[:-1]) / 4, [np.inf]])
        scale = float(np.abs(finite).max())
        below = low - np.minimum(tolerance(low, scale), gaps[:-1])
        above = high + np.minimum(tolerance(high, scale), gaps[1:])
    above = np.maximum(above, np.nextafter(high, np.inf))[shared]
    edges = np.unique(np.concatenate([below, above]))
    return tuple(edges[np.isfinite(edges)].tolist())


def single_values(edges: Sequence[float]) -> NDArray[np.bool_]:
    """Return whether each bin between two of *k* *edges* has a single value, shape (k - 1,)."""
    ends = np.asarray(edges, np.float64)
    low, high = ends[:-1], ends[1:]
    scale = float(np.abs(ends).max(initial=0.0))
    with np.errstate(over="ignore"):
        narrow = high - low <= 4 * tolerance(low, scale)
    return np.asarray(narrow | (high <= np.nextafter(low, np.inf)))


@dataclass(frozen=True, slots=True)
class BinnedCounts:
    """Counts in the ``k + 1`` bins of *k* frozen edges; a value equal to an edge counts above it.

    Raises:
        ValueError: If the number of counts is not the number of edges plus 1.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges need {len(self.edges) + 1} counts")

    @classmethod
    def of(cls, values: NDArray[np.float64], edges: Sequence[float]) -> Self:
        """Return the counts of finite *values* for ascending *edges*."""
        return cls.of_sorted(np.sort(values), edges)

    @classmethod
    def of_sorted(cls, ordered: Floats, edges: Sequence[float]) -> Self:
        """Return the counts of values that are already sorted ascending."""
        below = ordered.searchsorted(np.asarray(edges, dtype=np.float64), "left")
        counts = between(below, ordered.size)
        return cls(tuple(edges), tuple(counts.tolist()))

    @classmethod
    def of_weighted(cls, values: Floats, weights: Floats, edges: Sequence[float]) -> Self:
        """Return the counts of finite *values* with whole weights, both of shape (n,)."""
        counts = np.zeros(len(edges) + 1, dtype=np.int64)
        places = np.asarray(edges, dtype=np.float64).searchsorted(values, "right")
        np.add.at(counts, places, weights.astype(np.int64))
        return cls(tuple(edges), tuple(counts.tolist()))

    def without_single_values(self, singles: Mapping[float, int]) -> Self:
        """Reduce each single-value bin to the count of its value in *singles*.

        The rest of the bin's count moves to the bin above.
        """
        counts = list(self.counts)
        single = single_values(self.edges)
        for at, (low, high) in enumerate(pairwise(self.edges), 1):
            if single[at - 1]:
                known = sum(count for value, count in singles.items() if low <= value < high)
                beyond = max(counts[at] - known, 0)
                counts[at] -= beyond
                counts[at + 1] += beyond
        return type(self)(self.edges, tuple(counts))

    @classmethod
    def merge_all(cls, parts: Sequence[Self]) -> Self:
        """Return the sum of all *parts*, at least one, which must have the same edges.

        Raises:
            IncompatibleSketches: If the edges differ.
        """
        first = parts[0]
        for part in parts:
            if part.edges != first.edges:
                raise IncompatibleSketches("edges", first.id, part.id)
        total = np.array([part.counts for part in parts], dtype=np.int64).sum(axis=0)
        return cls(first.edges, tuple(total.tolist()))

    @property
    def id(self) -> str:
        """The id of the edges."""
        return edges_id(self.edges)

    @property
    def count(self) -> int:
        """Number of observations."""
        return sum(self.counts)

    def merge(self, other: Self) -> Self:
        """Return the sum of both, which must have the same edges.

        Raises:
            IncompatibleSketches: If the edges differ.
        """
        return self.merge_all((self, other))

    def scaled(self, factor: float) -> Self:
        """Return the counts times *factor*, rounded."""
        return type(self)(self.edges, tuple(scaled_counts(self.counts, factor)))
