"""Centroids of a t-digest: how ordered points are joined by cells of the scale function.

The cell of a point is where the middle of its rank lies in ``k(q) = 1.25 * compression *
asin(2 q - 1) / pi``. Each function is a few numpy calls over all points, without a loop over
observations or centroids; without ties the cells depend on the count alone.

Beside the heaviest atoms the cells are finer, because density may begin anywhere beside them.

Source: Dunning and Ertl, "Computing extremely accurate quantiles using t-digests",
arXiv:1902.04023.
"""

import math
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

DENSITY = 1.25  # cells for each unit of compression
BESIDE = (-1.0, -0.5, -0.25, -0.1, 0.1, 0.25, 0.5, 1.0)  # cell bounds beside them, in cells
SHARED = 1.2  # observations a value from which a column repeats its values
APART_FROM = 1000  # an atom of one in so many has a centroid of its own
MAX_APART = 200  # the heaviest of them
MAX_WALLS = 4  # heavy atoms beside which cells are finer

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Centroids: TypeAlias = tuple[Floats, Floats, Bools]  # means, weights, atoms

_FIRST = np.zeros(1, dtype=np.intp)


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
    return _celled(means, weights, atoms, np.cumsum(weights), compression)


def centroids_of(ordered: Floats, compression: float) -> Centroids:
    """Centroids of observations that ascend, shape (n,)."""
    starts = _run_starts(ordered)
    if starts.size < ordered.size:
        weights = _sizes(starts, ordered.size).astype(np.float64)
        after = starts + weights  # what a sum of the weights would give, for a fifth of its time
        atoms = np.ones(starts.size, np.bool_)
        return _celled(ordered[starts], weights, atoms, after, compression)
    # Without ties the cells depend on the number of observations alone.
    starts, weights, alone = _plain_cells(ordered.size, compression)
    with np.errstate(over="ignore"):
        means = np.add.reduceat(ordered, starts) / weights
    if not np.isfinite(means).all():  # values near 1e308
        ones = np.ones(ordered.size)
        return _celled(ordered, ones, ones.astype(np.bool_), np.cumsum(ones), compression)
    return np.clip(means, ordered[0], ordered[-1]), weights, alone


def _celled(
    means: Floats, weights: Floats, atoms: Bools, after: Floats, compression: float
) -> Centroids:
    """Ascending, different points joined by cells of the scale function.

    Args:
        means: Values of the points, shape (k,).
        weights: Observations of each, whole.
        atoms: Whether all observations of each have one value.
        after: Sum of the weights up to each, itself included.
        compression: delta of the paper.
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
    if not np.isfinite(sums).all():  # values near 1e308: take shares before adding
        sums = np.add.reduceat(means * (weights / np.repeat(kept, sizes)), starts)
    sums = np.clip(sums, means[0], means[-1])
    return np.where(alone, means[starts], sums), kept, alone & atoms[starts]


def grouped(means: Floats, weights: Floats, atoms: Bools, fewest: int) -> Centroids:
    """Centroids, each of shape (k,), as groups of at least *fewest* observations.

    A value that *fewest* observations share stays an atom. All others are joined with their
    neighbours among the others, never with an atom: whoever subtracted the atom from a group that
    holds it would know what is left. Where fewer than *fewest* observations are no such atom, they
    are left out, and the weights add up to less.
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
    # Shares before sums: numbers near the end of float64 would overflow.
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


def _apart(
    weights: Floats, atoms: Bools, starts: NDArray[np.intp], total: float
) -> NDArray[np.intp]:
    """*starts* of cells, and cells of their own for atoms of a thousandth and more.

    Whole minutes, prices, counts: two such values in one centroid would make a slope of two steps.
    """
    if weights.size <= MAX_APART and total >= SHARED * weights.size and atoms.all():
        return np.arange(weights.size)  # few values that repeat: nothing need be joined
    heavy = np.flatnonzero(atoms & (weights >= max(2.0, math.ceil(total / APART_FROM))))
    if heavy.size > MAX_APART:
        heavy = heavy[np.argsort(-weights[heavy], kind="stable")[:MAX_APART]]
    if not heavy.size:
        return starts
    found = np.unique(np.concatenate([starts, heavy, heavy + 1]))
    return found[found < weights.size]


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
