"""Merging t-digest: quantiles of a stream in bounded memory, most accurate at the tails.

Observations are collected in a buffer. When it is full they are sorted and equal values are joined.
The points are then merged into centroids by cells of the scale function k1
(`nilometer.sketch.centroids`).

A centroid records whether all its observations had one value (an *atom*). Atoms are steps of the
distribution function, other centroids are slopes. So a column with 60 % zeros has the correct
median. Interpolation between means would miss it by a tenth of the ranks.

`TDigest.merge_all` merges any number of digests at once. It first sorts all their centroids, so
that every order of the same parts gives the same bits.

Source: Dunning and Ertl, "Computing extremely accurate quantiles using t-digests",
arXiv:1902.04023.
"""

import math
from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from nilometer.sketch.centroids import (
    Bools,
    Centroids,
    Floats,
    centroids_of,
    grouped,
    joined,
)
from nilometer.values.errors import IncompatibleSketches

DESCRIBED = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
BUFFER = 8192  # observations that are sorted together
MAX_PARTS = 16  # full buffers that are joined at once
MINIMUM_COMPRESSION = 20.0
DEFAULT_COMPRESSION = 100.0


class TDigest:
    """A sketch of one numeric feature that answers quantile and rank queries.

    >>> digest = TDigest.of(range(1, 101)).merge(TDigest.of(range(101, 201)))
    >>> digest.count
    200
    >>> digest.quantile([0.0, 1.0])
    array([  1., 200.])

    Args:
        compression: Parameter delta of the paper, dimensionless, at least 20. At most ``1.25 *
            compression + 1`` centroids are kept, 126 at 100. Each of up to 200 frequent values may
            add two more. At a compression of 100, the rank error of *n* observations is at most ``.001
            + .2 / sqrt(n)``, and ``.0005 + .02 / sqrt(n)`` at q = .001 and .999, after any number of
            merges. The second part is how unevenly *n* random values fill a centroid. Across an empty
            gap the error is at most one centroid (.013). `test_digest_accuracy` and ``make quality``
            check these numbers.

    Raises:
        ValueError: If *compression* is below 20 or not finite.

    Only finite values may be observed; the profile that owns the digest counts all others. Not
    thread-safe: one owner observes, and anyone may merge a copy.
    """

    __slots__ = (
        "_atoms",
        "_buffer",
        "_max",
        "_means",
        "_min",
        "_parts",
        "_pending",
        "_weights",
        "compression",
    )

    def __init__(self, compression: float = DEFAULT_COMPRESSION) -> None:
        if not MINIMUM_COMPRESSION <= compression < math.inf:
            raise ValueError(f"compression must be finite and at least 20, not {compression:g}")
        self.compression = float(compression)
        self._means: Floats = np.empty(0)
        self._weights: Floats = np.empty(0)
        self._atoms: Bools = np.empty(0, dtype=np.bool_)
        self._min = math.inf
        self._max = -math.inf
        self._buffer: Floats | None = None
        self._pending = 0
        self._parts: list[Centroids] = []  # from full buffers; `join` merges them

    @classmethod
    def of(cls, values: ArrayLike, compression: float = DEFAULT_COMPRESSION) -> Self:
        """Return a digest of finite *values*, shape (n,)."""
        digest = cls(compression)
        digest.observe(np.asarray(values, dtype=np.float64).ravel())
        return digest

    @classmethod
    def from_centroids(
        cls,
        means: Floats,
        weights: Floats,
        atoms: Bools,
        *,
        minimum: float,
        maximum: float,
        compression: float = DEFAULT_COMPRESSION,
    ) -> Self:
        """Return a digest with stored centroids, each of shape (k,), means ascending."""
        digest = cls(compression)
        digest._means = np.asarray(means, dtype=np.float64)
        digest._weights = np.asarray(weights, dtype=np.float64)
        digest._atoms = np.asarray(atoms, dtype=np.bool_)
        digest._min, digest._max = float(minimum), float(maximum)
        return digest

    def observe(self, values: Floats) -> None:
        """Add finite *values*, shape (n,).

        Raises:
            ValueError: If any value is NaN or infinite.
        """
        if values.size == 0:
            return
        if not _all_finite(values):
            raise ValueError("a t-digest observes finite values only")
        start = 0
        while start < values.size:
            if self._pending == 0 and values.size - start >= BUFFER:
                self.observe_sorted(np.sort(values[start : start + BUFFER] + 0.0))
                start += BUFFER
                continue
            if self._buffer is None:
                self._buffer = np.empty(BUFFER)
            part = values[start : start + BUFFER - self._pending]
            # Adding 0.0 turns -0.0 into 0.0, so that both count as one value.
            np.add(part, 0.0, out=self._buffer[self._pending : self._pending + part.size])
            self._pending += part.size
            start += part.size
            if self._pending == BUFFER:
                self._empty_buffer()

    def observe_sorted(self, ordered: Floats) -> None:
        """Add finite values, shape (n,), ascending and without -0.0; this is not checked.

        For callers that have already sorted them for other counts.
        """
        if ordered.size == 0:
            return
        self._min = min(self._min, float(ordered[0]))
        self._max = max(self._max, float(ordered[-1]))
        self._parts.append(centroids_of(ordered, self.compression))
        if len(self._parts) >= MAX_PARTS:
            self.join()

    @property
    def held_bytes(self) -> int:
        """Memory of the centroids that are not joined yet, in bytes."""
        return sum(means.nbytes + weights.nbytes for means, weights, _ in self._parts)

    def merge(self, other: Self) -> Self:
        """Return a new digest of both streams; the order of the operands does not matter.

        Raises:
            IncompatibleSketches: If the compressions differ.
        """
        return self.merge_all((self, other))

    @classmethod
    def merge_all(cls, digests: Iterable[Self]) -> Self:
        """Return one digest of all streams, bit-identical for every order of *digests*.

        Raises:
            IncompatibleSketches: If the compressions differ.
        """
        parts = list(digests)
        merged = cls(parts[0].compression) if parts else cls()
        for part in parts:
            if part.compression != merged.compression:
                raise IncompatibleSketches("compression", merged.compression, part.compression)
            part._settle()
        held = [part for part in parts if part._weights.size]
        if not held:
            return merged
        merged._min = min(part._min for part in held)
        merged._max = max(part._max for part in held)
        merged._keep([(part._means, part._weights, part._atoms) for part in held])
        return merged

    def _empty_buffer(self) -> None:
        if self._pending and self._buffer is not None:
            ordered = self._buffer[: self._pending]
            ordered.sort()
            self._pending = 0
            self.observe_sorted(ordered)

    def _settle(self) -> None:
        """Join the buffered observations with the centroids."""
        self._empty_buffer()
        self.join()

    def join(self) -> None:
        """Join the centroids of full buffers with the rest, to free memory."""
        if not self._parts:
            return
        parts, self._parts = self._parts, []
        if self._weights.size:
            parts.append((self._means, self._weights, self._atoms))
        if len(parts) == 1:
            self._means, self._weights, self._atoms = parts[0]
        else:
            self._keep(parts)

    def _keep(self, parts: list[Centroids]) -> None:
        self._means, self._weights, self._atoms = joined(
            np.concatenate([means for means, _, _ in parts]),
            np.concatenate([weights for _, weights, _ in parts]),
            np.concatenate([atoms for _, _, atoms in parts]),
            self.compression,
        )

    @property
    def count(self) -> int:
        """Number of observations."""
        waiting = sum(float(weights.sum()) for _, weights, _ in self._parts)
        return int(float(self._weights.sum()) + waiting) + self._pending

    @property
    def min(self) -> float | None:
        """Exact minimum; None without observations."""
        self._empty_buffer()
        return self._min if self._min <= self._max else None

    @property
    def max(self) -> float | None:
        """Exact maximum; None without observations."""
        self._empty_buffer()
        return self._max if self._min <= self._max else None

    def centroids(self) -> tuple[Floats, Floats, Bools]:
        """Means (ascending), weights and whether each is an atom, all of shape (k,)."""
        self._settle()
        return self._means, self._weights, self._atoms

    def _knots(self) -> tuple[Floats, Floats]:
        """The points (value, rank) between which the distribution function is linear."""
        means, weights, atoms = self.centroids()
        after = np.cumsum(weights)
        before = after - weights
        middle = before + weights / 2
        values = np.concatenate([[self._min], np.repeat(means, 2), [self._max]])
        ranks = np.empty(values.size)
        ranks[0], ranks[-1] = 0.0, after[-1]
        ranks[1:-1:2] = np.where(atoms, before, middle)
        ranks[2:-1:2] = np.where(atoms, after, middle)
        return values, ranks

    def quantile(self, q: ArrayLike) -> Floats:
        """Return the quantiles *q* of the observations.

        Args:
            q: Shares, 0 to 1, any shape.

        Returns:
            Values inside [min, max], same shape; NaN without observations.
        """
        shares = np.asarray(q, dtype=np.float64)
        if self.count == 0:
            return np.full(shares.shape, np.nan)
        values, ranks = self._knots()
        found = np.interp(shares * ranks[-1], ranks, values)
        return np.asarray(np.clip(found, self._min, self._max))

    def rank(self, value: ArrayLike) -> Floats:
        """Return the shares of observations that are at most *value*; NaN without observations."""
        at = np.asarray(value, dtype=np.float64)
        if self.count == 0:
            return np.full(at.shape, np.nan)
        values, ranks = self._knots()
        right = np.searchsorted(values, at, side="right")
        low = np.clip(right - 1, 0, values.size - 1)
        high = np.clip(right, 0, values.size - 1)
        with np.errstate(all="ignore"):
            width = values[high] - values[low]
            slope = np.where(width > 0, (at - values[low]) / width, 0.0)
            found = ranks[low] + np.nan_to_num(slope) * (ranks[high] - ranks[low])
        found = np.where(right == 0, 0.0, np.where(right == values.size, ranks[-1], found))
        return np.asarray(np.where(np.isnan(at), np.nan, found / ranks[-1]))

    def scaled(self, factor: float) -> Self:
        """Return a digest with each observation counted *factor* times, rounded; *factor* >= 1."""
        means, weights, atoms = self.centroids()
        if not weights.size:
            return self
        total = np.rint(np.cumsum(weights) * factor)
        return self.from_centroids(
            means,
            np.diff(total, prepend=0.0),
            atoms,
            minimum=self._min,
            maximum=self._max,
            compression=self.compression,
        )

    def coarsened(self, fewest: int) -> Self:
        """Return the digest in groups of at least *fewest* observations, see `grouped`.

        Minimum and maximum are then the outermost means. Observations outside any group are left
        out, which reduces `count` by less than *fewest*.
        """
        means, weights, atoms = grouped(*self.centroids(), fewest)
        if not weights.size:
            return type(self)(self.compression)
        return self.from_centroids(
            means,
            weights,
            atoms,
            minimum=float(means[0]),
            maximum=float(means[-1]),
            compression=self.compression,
        )

    def describe(self) -> str:
        """Return the most common quantiles as text, one per line."""
        if not self.count:
            return repr(self)
        found = self.quantile(DESCRIBED)
        rows = [
            f"  {f'p{100 * q:g}':<6} {value:>14.6g}"
            for q, value in zip(DESCRIBED, found, strict=True)
        ]
        return "\n".join([repr(self), *rows])

    def __repr__(self) -> str:
        if self.count == 0:
            return f"TDigest(compression={self.compression:g}, empty)"
        middle = float(self.quantile(0.5))
        return (
            f"TDigest(compression={self.compression:g}, count={self.count}, "
            f"min={self._min:g}, median={middle:g}, max={self._max:g})"
        )


def _all_finite(values: Floats) -> bool:
    """Return whether no value is NaN or infinite.

    A sum of squares takes a quarter of the time of a mask. If it is not finite, it may have
    overflowed, so the values are checked. A long sum would start the threads of BLAS.
    """
    if values.size <= BUFFER and math.isfinite(np.vdot(values, values)):
        return True
    return bool(np.isfinite(values).all())
