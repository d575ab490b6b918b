"""Counts on the frozen edges of a reference, exact in every comparison on those edges."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.codec import between, scaled_counts
from nilometer.values.errors import IncompatibleSketches

Floats = NDArray[np.float64]


def edges_id(edges: Sequence[float]) -> str:
    """Return the name of frozen edges; equal edges have equal names."""
    packed = np.asarray(edges, dtype="<f8").tobytes()
    return hashlib.blake2b(packed, digest_size=8).hexdigest()


def quantile_edges(quantiles: NDArray[np.float64]) -> tuple[float, ...]:
    """Return edges at ascending *quantiles* of a reference, shape (k,); at most *k* of them.

    A value that covers more than one quantile, such as zero or a default, gets its own bin, ``[v,
    next float)``. A constant that changes is then visible on either side.
    """
    values, counts = np.unique(quantiles[np.isfinite(quantiles)], return_counts=True)
    atoms = values[counts > 1]
    return tuple(np.unique(np.concatenate([values, np.nextafter(atoms, np.inf)])).tolist())


@dataclass(frozen=True, slots=True)
class BinnedCounts:
    """Counts on *k* frozen edges: ``k + 1`` bins; a value equal to an edge counts on its right.

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
        """Return the counts of finite *values* on ascending *edges*."""
        return cls.of_sorted(np.sort(values), edges)

    @classmethod
    def of_sorted(cls, ordered: Floats, edges: Sequence[float]) -> Self:
        """Return the counts of values that are already ascending."""
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
        """Limit each bin of a single value, ``[v, next float)``, to its count in *singles*.

        The rest of its count moves to the bin above, which begins right after it.
        """
        counts = list(self.counts)
        for at, (low, high) in enumerate(pairwise(self.edges), 1):
            if high == math.nextafter(low, math.inf):
                beyond = max(counts[at] - singles.get(low, 0), 0)
                counts[at] -= beyond
                counts[at + 1] += beyond
        return type(self)(self.edges, tuple(counts))

    @classmethod
    def merge_all(cls, parts: Sequence[Self]) -> Self:
        """Return the sum of all *parts*, at least one, which have the same edges.

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
        """The name of the edges."""
        return edges_id(self.edges)

    @property
    def count(self) -> int:
        """Observations."""
        return sum(self.counts)

    def merge(self, other: Self) -> Self:
        """Return the sum of both, which have the same edges.

        Raises:
            IncompatibleSketches: If the edges differ.
        """
        return self.merge_all((self, other))

    def scaled(self, factor: float) -> Self:
        """Return the counts times *factor*, rounded."""
        return type(self)(self.edges, tuple(scaled_counts(self.counts, factor)))
