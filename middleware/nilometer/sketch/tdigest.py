"""Merging t-digest: quantiles of a stream in bounded memory, sharpest at the tails.

Observations wait in a buffer; when it is full they are sorted, equal values are joined, and the
points are merged into centroids by the cell of the scale function k1 in which the middle of
their rank lies: ``k(q) = 1.25 * compression * asin(2 q - 1) / pi``. One vectorised pass, no loop
over observations or centroids; without ties the cells depend on the count alone.

A centroid remembers whether all of its observations had one value (an *atom*). Atoms are steps
of the distribution function, other centroids are slopes: columns that are 60 % zeros keep the
right median, which interpolation between means would get wrong by a tenth of the ranks. Beside the
heaviest atoms the cells are finer, because density may begin anywhere beside them.

Merging any set of digests at once, `TDigest.merge_all`, orders all their centroids canonically
first, so that every order of the same parts gives the same bits.

Source: Dunning and Ertl, "Computing extremely accurate quantiles using t-digests",
arXiv:1902.04023.
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nilometer.values.errors import IncompatibleSketches

DESCRIBED = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
BUFFER = 8192  # observations that wait for one sort
DENSITY = 1.25  # cells for each unit of compression
BESIDE = (-1.0, -0.5, -0.25, -0.1, 0.1, 0.25, 0.5, 1.0)  # cell bounds beside them, in cells
SHARED = 1.2  # observations a value from which a column repeats its values
APART_FROM = 1000  # an atom of one in so many has a centroid of its own
MAX_APART = 200  # the heaviest of them
MAX_WALLS = 4  # heavy atoms beside which cells are finer
MAX_PARTS = 16  # whole buffers that wait to be joined at once
MINIMUM_COMPRESSION = 20.0
DEFAULT_COMPRESSION = 100.0

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Centroids: TypeAlias = tuple[Floats, Floats, Bools]  # means, weights, atoms


class TDigest:
    """A sketch of one numeric feature that answers quantile and rank queries.

    Args:
        compression: delta of the paper, dimensionless, at least 20: ``1.25 * compression + 1``
            centroids are kept at most, 126 at 100, and where many observations share values up to
            two more for each of at most 200 such values. Rank error at 100: .001, and .0005 at
            q = .001 and .999, after any number of merges; at most one centroid (.013) across an
            empty gap. `test_digest_accuracy` and ``make quality`` hold them.

    Raises:
        ValueError: If *compression* is below 20 or not finite.

    Only finite values may be observed: what is not finite is counted by the profile that owns
    the digest. Not thread-safe; one owner observes, anyone may merge a copy.
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
        self._parts: list[Centroids] = []  # of whole buffers, not joined with the rest yet

    @classmethod
    def of(cls, values: ArrayLike, compression: float = DEFAULT_COMPRESSION) -> Self:
        """A digest of finite *values*, shape (n,)."""
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
        """A digest of stored centroids, each of shape (k,), means ascending."""
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
            # Adding 0.0 turns -0.0 into 0.0: one value, one centroid.
            np.add(part, 0.0, out=self._buffer[self._pending : self._pending + part.size])
            self._pending += part.size
            start += part.size
            if self._pending == BUFFER:
                self._empty_buffer()

    def observe_sorted(self, ordered: Floats) -> None:
        """Add finite values that ascend already, shape (n,), without -0.0; they are not checked.

        For who has sorted them for other counts, too.
        """
        if ordered.size == 0:
            return
        self._min = min(self._min, float(ordered[0]))
        self._max = max(self._max, float(ordered[-1]))
        self._parts.append(_of_ordered(ordered, self.compression))
        if len(self._parts) >= MAX_PARTS:
            self._join()

    def merge(self, other: Self) -> Self:
        """A new digest of both streams; the order of the operands does not matter.

        Raises:
            IncompatibleSketches: If the compressions differ.
        """
        return self.merge_all((self, other))

    @classmethod
    def merge_all(cls, digests: Iterable[Self]) -> Self:
        """One digest of all streams: every order of *digests* gives the same bits.

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
        """Join the waiting observations with the centroids."""
        self._empty_buffer()
        self._join()

    def _join(self) -> None:
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
        """Observations."""
        waiting = sum(float(weights.sum()) for _, weights, _ in self._parts)
        return int(float(self._weights.sum()) + waiting) + self._pending

    @property
    def min(self) -> float | None:
        """Exact smallest observation; None without observations."""
        self._empty_buffer()
        return self._min if self._min <= self._max else None

    @property
    def max(self) -> float | None:
        """Exact largest observation; None without observations."""
        self._empty_buffer()
        return self._max if self._min <= self._max else None

    def centroids(self) -> tuple[Floats, Floats, Bools]:
        """Means (ascending), weights and whether each is an atom, all of shape (k,)."""
        self._settle()
        return self._means, self._weights, self._atoms

    def _knots(self) -> tuple[Floats, Floats]:
        """Points (value, rank) between which the distribution function is linear."""
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
        """Values below which the shares *q* of the observations lie.

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
        """Shares of the observations that are at most *value*; NaN without observations."""
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
        """Each observation *factor* times, rounded; *factor* is at least 1."""
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

    def describe(self) -> str:
        """The quantiles that people ask for, one a line."""
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


def joined(means: Floats, weights: Floats, atoms: Bools, compression: float) -> Centroids:
    """Centroids of any number of digests, each of shape (k,), as those of one.

    Equal means are joined whatever their order - weights are whole, their sum is exact - so that
    every order of the centroids gives the same bits.
    """
    order = np.argsort(means)
    means, weights, atoms = means[order], weights[order], atoms[order]
    # Joining comes first: an atom may then fill cells of its own and is never mixed with
    # its neighbours unless it is smaller than a cell.
    starts = _run_starts(means)
    if starts.size < means.size:
        atoms = np.logical_and.reduceat(atoms, starts)
        weights = np.add.reduceat(weights, starts)
        means = means[starts]
    return _celled(means, weights, atoms, compression)


def _of_ordered(ordered: Floats, compression: float) -> Centroids:
    """Centroids of observations that ascend, shape (n,)."""
    starts = _run_starts(ordered)
    if starts.size < ordered.size:
        weights = _sizes(starts, ordered.size).astype(np.float64)
        return _celled(ordered[starts], weights, np.ones(starts.size, np.bool_), compression)
    # Without ties the cells depend on the number of observations alone.
    starts, weights, alone = _plain_cells(ordered.size, compression)
    with np.errstate(over="ignore"):
        means = np.add.reduceat(ordered, starts) / weights
    if not np.isfinite(means).all():  # values near 1e308
        ones = np.ones(ordered.size)
        return _celled(ordered, ones, ones.astype(np.bool_), compression)
    return np.clip(means, ordered[0], ordered[-1]), weights, alone


def _celled(means: Floats, weights: Floats, atoms: Bools, compression: float) -> Centroids:
    """Ascending, different points joined by cells of the scale function."""
    after = np.cumsum(weights)
    starts = _cell_starts((after - weights / 2) / after[-1], compression)
    starts = _beside_atoms(weights, atoms, after, starts, compression)
    starts = _apart(weights, atoms, starts)
    sizes = _sizes(starts, means.size)
    kept = np.add.reduceat(weights, starts)
    alone = sizes == 1
    with np.errstate(over="ignore"):
        sums = np.add.reduceat(means * weights, starts) / kept
    if not np.isfinite(sums).all():  # values near 1e308: take shares before adding
        sums = np.add.reduceat(means * (weights / np.repeat(kept, sizes)), starts)
    sums = np.clip(sums, means[0], means[-1])
    return np.where(alone, means[starts], sums), kept, alone & atoms[starts]


def _beside_atoms(
    weights: Floats, atoms: Bools, after: Floats, starts: NDArray[np.intp], compression: float
) -> NDArray[np.intp]:
    """*starts* of cells, and finer ones on both sides of the heaviest atoms.

    Density may begin anywhere beside a value that many observations share; a centroid of full
    width would lay a straight slope over where it begins.
    """
    total = float(after[-1])
    width = total * math.pi / 2 / (compression * DENSITY)  # of a cell at the median
    heavy = np.flatnonzero(atoms & (weights > 2 * width))
    if not heavy.size or weights.size < MAX_WALLS:
        return starts
    heavy = heavy[np.argsort(-weights[heavy], kind="stable")[:MAX_WALLS]]
    above, below = after[heavy], after[heavy] - weights[heavy]
    near = np.concatenate(
        [edge + width * step for step in BESIDE for edge in (above if step > 0 else below,)]
    )
    found = np.searchsorted(after - weights / 2, near)
    return np.unique(np.concatenate([starts, found[found < weights.size]]))


def _apart(weights: Floats, atoms: Bools, starts: NDArray[np.intp]) -> NDArray[np.intp]:
    """*starts* of cells, and cells of their own for atoms of a thousandth and more.

    Whole minutes, prices, counts: two such values in one centroid would make a slope of two steps.
    """
    if weights.size <= MAX_APART and weights.sum() >= SHARED * weights.size and atoms.all():
        return np.arange(weights.size)  # few values that repeat: nothing need be joined
    heavy = np.flatnonzero(atoms & (weights > 1) & (weights * APART_FROM >= weights.sum()))
    if heavy.size > MAX_APART:
        heavy = heavy[np.argsort(-weights[heavy], kind="stable")[:MAX_APART]]
    if not heavy.size:
        return starts
    found = np.unique(np.concatenate([starts, heavy, heavy + 1]))
    return found[found < weights.size]


_FIRST = np.zeros(1, dtype=np.intp)


def _cell_starts(middle: Floats, compression: float) -> NDArray[np.intp]:
    """Index of the first point of each cell that has one; *middle* are ascending shares."""
    starts = middle.searchsorted(_cell_bounds(compression))
    kept = np.empty(starts.size, dtype=np.bool_)
    kept[0] = starts[0] > 0
    np.greater(starts[1:], starts[:-1], out=kept[1:])
    kept &= starts < middle.size
    return np.concatenate([_FIRST, starts[kept]])


@lru_cache(maxsize=64)
def _cell_bounds(compression: float) -> Floats:
    """Shares at which cells begin, but for the first: k(q) is whole there."""
    cells = compression * DENSITY
    whole = np.arange(math.floor(-cells / 2) + 1, math.ceil(cells / 2))
    return np.asarray((1.0 + np.sin(whole * (math.pi / cells))) / 2.0)


@lru_cache(maxsize=64)
def _plain_cells(count: int, compression: float) -> tuple[NDArray[np.intp], Floats, Bools]:
    """Starts, weights and whether a cell holds one, for *count* different observations."""
    starts = _cell_starts((np.arange(count) + 0.5) / count, compression)
    weights = _sizes(starts, count).astype(np.float64)
    return starts, weights, weights == 1.0


def _all_finite(values: Floats) -> bool:
    """Whether no value is NaN or infinite.

    A sum of squares tells in a quarter of the time of a mask; where it is not finite, it may have
    overflowed. A long one would wake the threads of BLAS.
    """
    if values.size <= BUFFER and math.isfinite(np.vdot(values, values)):
        return True
    return bool(np.isfinite(values).all())


def _sizes(starts: NDArray[np.intp], total: int) -> NDArray[np.intp]:
    """Lengths of the runs that begin at *starts* and end at *total*."""
    sizes = np.empty(starts.size, dtype=np.intp)
    np.subtract(starts[1:], starts[:-1], out=sizes[:-1])
    sizes[-1] = total - starts[-1]
    return sizes


def _run_starts(values: Floats) -> NDArray[np.intp]:
    """Indices at which runs of equal neighbours begin, shape (runs,)."""
    changed = np.empty(values.size, dtype=np.bool_)
    changed[0] = True
    np.not_equal(values[1:], values[:-1], out=changed[1:])
    return np.flatnonzero(changed)
