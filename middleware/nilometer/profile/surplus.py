"""Corrects the counts of the names that are the most frequent ones of a reference.

The most frequent names get counts of their own. If many names are about equally frequent, chance
decides which of them that are, and these have more rows in the reference than their share of later
rows. For example, the 20 most frequent of 30 equal names have about 78 % of 300 rows, and 67 % of
later ones. A name that is much more frequent than the others has no such error.

Source: Robbins, "An empirical Bayes approach to statistics" (1956): if chance gave names *r* rows, they
are expected to have ``(r + 1) N(r + 1) / N(r)``, where *N* is the number of names with so many rows.
"""

from collections.abc import Mapping, Sequence
from math import isqrt

FEWEST_NAMES = 8  # names from which `N` is estimated; fewer names are too much noise


def surplus_rows(counts: Mapping[str, int], names: Sequence[str]) -> int:
    """Return how many rows *names* have more than is expected of them.

    Only the names at the boundary matter. Of the rows of all names with *r* rows or more, only
    ``(r + 1) N(r + 1)`` move to names with other numbers of rows.

    Args:
        counts: Rows of each name of the reference.
        names: Names with counts of their own: the most frequent ones, in order.

    Returns:
        Number of rows, at least 0. It is 0 if no other name has nearly as many rows as the last one
        of *names*, so that chance did not choose them.
    """
    named = set(names)
    others = [count for name, count in counts.items() if name not in named]
    if not names or not others:
        return 0
    last = counts[names[-1]]
    if max(others) < last - isqrt(last):
        return 0
    rows = list(counts.values())
    reach = _reach(rows, last)
    at_last, above = _density(rows, last, reach), _density(rows, last + 1, reach)
    moved = (last + 1) * above
    tied = sum(counts[name] == last for name in names)
    return max(round(moved + tied * (last - moved / at_last)), 0)


def without_surplus(counts: Sequence[float], surplus: float) -> list[float]:
    """Return the expected counts of the names with counts of their own.

    The surplus is taken from the names that are hardly more frequent than the last one, in proportion
    to their rows. All others keep their counts.

    Args:
        counts: Rows of each name in the reference.
        surplus: `surplus_rows` of the reference.
    """
    last = min((count for count in counts if count), default=0.0)
    most = last + 2 * isqrt(int(last))
    rare = sum(count for count in counts if count <= most)
    kept = 1 - min(surplus, rare) / rare if rare else 1.0
    return [kept * count if count <= most else count for count in counts]


def _reach(rows: Sequence[int], last: int) -> int:
    """Return how many rows off *last* names may be to count as alike: fewest, for enough names."""
    most = isqrt(last)  # the standard deviation of so many rows
    return next(
        (
            reach
            for reach in range(most)
            if sum(last - reach <= count <= last + 1 + reach for count in rows) >= FEWEST_NAMES
        ),
        most,
    )


def _density(rows: Sequence[int], at: int, reach: int) -> float:
    """Return about how many names have *at* rows, from those with at most *reach* more or fewer."""
    return sum(at - reach <= count <= at + reach for count in rows) / (2 * reach + 1)
