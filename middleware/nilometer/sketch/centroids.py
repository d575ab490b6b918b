"""Centroids of a t-digest: joins ordered points that are in the same cell of the scale function.

The cell of a point is ``k(q) = 1.25 * compression * asin(2 q - 1) / pi``, rounded down, where *q*
is the middle of the point's rank. Each function is a few numpy calls over all points, without a
loop over observations or centroids. Without ties, the cells only depend on the count.

Cells next to the heaviest atoms are finer, because the density may change abruptly there.

Source: Dunning and Ertl, "Computing extremely accurate quantiles using t-digests",
arXiv:1902.04023.
"""

import math
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

DENSITY = 1.25  # cells per unit of compression
BESIDE = (-1.0, -0.5, -0.25, -0.1, 0.1, 0.25, 0.5, 1.0)  # positions of finer cells, in cells
SHARED = 1.2  # from this mean number of observations per value, values count as repeated
APART_FROM = 1000  # an atom with one of this many observations has its own centroid
MAX_APART = 200  # largest number of such atoms; the heaviest are chosen
MAX_WALLS = 4  # number of heaviest atoms that have finer cells beside them

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Centroids: TypeAlias = tuple[Floats, Floats, Bools]  # means, weights, atoms

_FIRST = np.zeros(1, dtype=np.intp)


def joined(means: Floats, weights: Floats, atoms: Bools, compression: float) -> Centroids:
    """Return the centroids of several digests, each of shape (k,), joined into one set.

    Equal means are joined, whatever their order. Weights are whole numbers, so their sum is exact,
    and every order of the centroids gives the same bits.
    """
    order = np.argsort(means)
    means, weights, atoms = means[order], weights[order], atoms[order]
    # Equal means are joined first. An atom may then fill whole cells, and is mixed with its
    # neighbours only if it is smaller than a cell.
    starts = run_starts(means)
    after = np.cumsum(weights)
    if starts.size < means.size:
        # Differences of cumulative sums are exact for whole weights, and faster than `reduceat`.
        sizes = _sizes(starts, means.size)
        last = starts + sizes - 1
        after = after[last]
        weights = np.diff(after, prepend=0.0)
        atoms = np.diff(np.cumsum(atoms)[last], prepend=0) == sizes
        means = means[starts]
    return celled(means, weights, atoms, after, compression)


def centroids_of(ordered: Floats, compression: float) -> Centroids:
    """Return the centroids of ascending observations, shape (n,)."""
    starts = run_starts(ordered)
    if starts.size < ordered.size:
        weights = _sizes(starts, ordered.size).astype(np.float64)
        after = starts + weights  # cumulative weights, five times as fast as `cumsum`
        atoms = np.ones(starts.size, np.bool_)
        return celled(ordered[starts], weights, atoms, after, compression)
    # Without equal values, the cells depend only on the number of observations.
    starts, weights, alone = _plain_cells(ordered.size, compression)
    with np.errstate(over="ignore"):
        means = np.add.reduceat(ordered, starts) / weights
    if not np.isfinite(means).all():  # values near 1e308
        ones = np.ones(ordered.size)
        return celled(ordered, ones, ones.astype(np.bool_), np.cumsum(ones), compression)
    return np.clip(means, ordered[0], ordered[-1]), weights, alone


def celled(
    means: Floats, weights: Floats, atoms: Bools, after: Floats, compression: float
) -> Centroids:
    """Return ascending, distinct points, joined by the cells of the scale function.

    Args:
        means: Values of the points, shape (k,).
        weights: Number of observations of each point, whole.
        atoms: Whether all observations of a point have one value.
        after: Cumulative weights, including each point.
        compression: Parameter delta of the paper.
    """
    middle = weights / 2
    np.subtract(after, middle, out=middle)
    middle /= after[-1]
    starts = _cell_starts(middle, compression)
    starts = _beside_atoms(weights, atoms, after, starts, compression)
    starts = _apart(weights, atoms, starts, float(after[-1]))
    sizes = _sizes(starts, means.size)
    kept = np.add.reduceat(weights, starts)
    alone = sizes == 1
    with np.errstate(over="ignore"):
        sums = np.add.reduceat(means * weights, starts) / kept
    if not np.isfinite(sums).all():  # values near 1e308: divide before adding
        sums = np.add.reduceat(means * (weights / np.repeat(kept, sizes)), starts)
    sums = np.clip(sums, means[0], means[-1])
    return np.where(alone, means[starts], sums), kept, alone & atoms[starts]


def grouped(means: Floats, weights: Floats, atoms: Bools, fewest: int) -> Centroids:
    """Return centroids, each of shape (k,), as groups of at least *fewest* observations.

    A value that *fewest* observations share is kept as an atom. All other values are joined with
    their neighbours, but never with an atom, because subtracting a known atom from a group would
    reveal the rest. If fewer than *fewest* observations are outside such atoms, they are left out,
    and the sum of the weights is smaller.
    """
    shared = atoms & (weights >= fewest)
    rest = np.flatnonzero(~shared)
    if not rest.size:
        return means, weights, atoms
    up_to = np.cumsum(weights[rest])
    if up_to[-1] < fewest:
        return means[shared], weights[shared], atoms[shared]
    starts, before = [0], 0.0
    for at, passed in enumerate(up_to.tolist(), 1):
        if passed - before >= fewest and up_to[-1] - passed >= fewest:
            starts.append(at)
            before = passed
    first = np.array(starts, dtype=np.intp)
    sizes = np.add.reduceat(weights[rest], first)
    # Divide before adding, because sums near the limit of float64 would overflow.
    share = weights[rest] / np.repeat(sizes, _sizes(first, rest.size))
    last = np.append(first[1:], rest.size) - 1
    middles = np.clip(
        np.add.reduceat(means[rest] * share, first), means[rest][first], means[rest][last]
    )
    every = np.concatenate([means[shared], middles])
    order = np.argsort(every, kind="stable")
    return (
        every[order],
        np.concatenate([weights[shared], sizes])[order],
        np.concatenate([atoms[shared], np.zeros(sizes.size, dtype=np.bool_)])[order],
    )


def _beside_atoms(
    weights: Floats, atoms: Bools, after: Floats, starts: NDArray[np.intp], compression: float
) -> NDArray[np.intp]:
    """Return *starts* of cells with finer cells on both sides of the heaviest atoms.

    Next to a value that many observations share, the density may begin anywhere. A centroid of full
    width would spread the observations evenly over that range.
    """
    total = float(after[-1])
    width = total * math.pi / 2 / (compression * DENSITY)  # width of a cell at the median
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


def _apart(
    weights: Floats, atoms: Bools, starts: NDArray[np.intp], total: float
) -> NDArray[np.intp]:
    """Return *starts* with separate cells for atoms that have at least a thousandth of the weight.

    Examples are whole minutes, prices and counts. A single centroid for two values would merge two
    steps into one.
    """
    if weights.size <= MAX_APART and total >= SHARED * weights.size and atoms.all():
        return np.arange(weights.size)  # few values, so no points need to be joined
    heavy = np.flatnonzero(atoms & (weights >= max(2.0, math.ceil(total / APART_FROM))))
    if heavy.size > MAX_APART:
        heavy = heavy[np.argsort(-weights[heavy], kind="stable")[:MAX_APART]]
    if not heavy.size:
        return starts
    found = np.unique(np.concatenate([starts, heavy, heavy + 1]))
    return found[found < weights.size]


def _cell_starts(middle: Floats, compression: float) -> NDArray[np.intp]:
    """Return the index of the first point of each non-empty cell; *middle* are ascending shares."""
    starts = middle.searchsorted(_cell_bounds(compression))
    kept = np.empty(starts.size, dtype=np.bool_)
    kept[0] = starts[0] > 0
    np.greater(starts[1:], starts[:-1], out=kept[1:])
    kept &= starts < middle.size
    return np.concatenate([_FIRST, starts[kept]])


@lru_cache(maxsize=64)
def _cell_bounds(compression: float) -> Floats:
    """Return the shares at which cells begin, except the first: there k(q) is a whole number."""
    cells = compression * DENSITY
    whole = np.arange(math.floor(-cells / 2) + 1, math.ceil(cells / 2))
    return np.asarray((1.0 + np.sin(whole * (math.pi / cells))) / 2.0)


@lru_cache(maxsize=64)
def _plain_cells(count: int, compression: float) -> tuple[NDArray[np.intp], Floats, Bools]:
    """Return starts, weights and single-point flags of cells for *count* distinct values."""
    starts = _cell_starts((np.arange(count) + 0.5) / count, compression)
    weights = _sizes(starts, count).astype(np.float64)
    return starts, weights, weights == 1.0


def _sizes(starts: NDArray[np.intp], total: int) -> NDArray[np.intp]:
    """Return the lengths of the runs from each of *starts* to the next, or to *total*."""
    sizes = np.empty(starts.size, dtype=np.intp)
    np.subtract(starts[1:], starts[:-1], out=sizes[:-1])
    sizes[-1] = total - starts[-1]
    return sizes


def run_starts(values: Floats | NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return the indices at which runs of equal neighbours begin, shape (runs,)."""
    changed = np.empty(values.size, dtype=np.bool_)
    changed[0] = True
    np.not_equal(values[1:], values[:-1], out=changed[1:])
    return np.flatnonzero(changed)
