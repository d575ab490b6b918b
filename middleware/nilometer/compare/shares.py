"""Counts of two sides in the same bins: shares, sampling noise, and joining of sparse bins."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Counts: TypeAlias = Sequence[float] | Floats  # counts in each of *k* bins, shape (k,)

SPARSE = 8.0  # expected count below which bins are joined; Cochran (1954) requires 5


def counts_of(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    """Return both sides as arrays, shape (k,).

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if r.shape != c.shape:
        raise ValueError(f"bins of shapes {r.shape} and {c.shape} cannot be compared")
    if not (r.sum() > 0 and c.sum() > 0):
        raise ValueError("an empty distribution has no distance")
    return r, c


def shares_of(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    """Return the shares of both sides, shape (k,), each with sum 1.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = counts_of(reference, current)
    return r / r.sum(), c / c.sum()


def noise_of(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, float]:
    """Return the shares of both sides together, shape (k,), and ``1/n + 1/N``.

    Without drift, the difference of the shares of a bin has the variance ``p (1 - p) (1/n + 1/N)``.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = counts_of(reference, current)
    return (r + c) / (r.sum() + c.sum()), float(1 / r.sum() + 1 / c.sum())


def occupied(reference: ArrayLike, current: ArrayLike) -> int:
    """Return the number of bins that are not empty on both sides."""
    r, c = counts_of(reference, current)
    return int(np.count_nonzero(r + c))


def without_sparse_bins(
    reference: ArrayLike, current: ArrayLike, *, ordered: bool
) -> tuple[Floats, Floats]:
    """Join bins until each one has an expected count of at least `SPARSE`.

    The expected count is the mean of both shares times ``1 / (1/n + 1/N)``. That factor is the
    size of a sample with the same noise around a known distribution. So a bin that is empty on
    one side is kept.

    Args:
        reference: Counts in each of *k* bins, shape (k,).
        current: Counts in the same bins, shape (k,).
        ordered: Whether the bins have an order. If so, neighbours are joined; otherwise all sparse
            bins are joined into one.

    Returns:
        Counts of both sides in at least 1 and at most *k* bins.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = counts_of(reference, current)
    size = 1 / (1 / r.sum() + 1 / c.sum())
    expected = (r / r.sum() + c / c.sum()) / 2 * size
    group = _neighbours(expected) if ordered else _rest(expected)
    joined = [np.bincount(group, side).astype(np.float64) for side in (r, c)]
    return joined[0], joined[1]


def _neighbours(expected: Floats) -> NDArray[np.intp]:
    """Return the group of each bin, shape (k,): joins neighbours until a group is large enough."""
    groups: list[int] = []
    number, held = -1, SPARSE
    for size in expected.tolist():
        if held >= SPARSE:
            number, held = number + 1, 0.0
        elif size >= SPARSE and number > 0:  # the previous group is too small
            groups = [min(group, number - 1) for group in groups]
            held = 0.0
        groups.append(number)
        held += size
    if held < SPARSE and number > 0:
        groups = [min(group, number - 1) for group in groups]
    return np.asarray(groups, dtype=np.intp)


def _rest(expected: Floats) -> NDArray[np.intp]:
    """Return the group of each bin, shape (k,). All sparse bins form one group or join a group."""
    sparse = expected < SPARSE
    group = np.where(sparse, 0, np.cumsum(~sparse))
    if not sparse.all() and expected[sparse].sum() < SPARSE:
        group[sparse] = group[np.argmin(np.where(sparse, np.inf, expected))]
    _, found = np.unique(group, return_inverse=True)
    return np.asarray(found, dtype=np.intp)
