"""Statistics of the table that two samples make, per degree of freedom.

The table has one column for each bin and one row for each sample. Bins in which few values are
expected are joined (`without_sparse_bins`). The statistic is divided by its degrees of freedom, so
that one threshold fits columns with different numbers of bins. It grows with the number of values:
it tells how certain a difference is, not how large.
"""

from collections.abc import Callable
from typing import TypeAlias

from numpy.typing import ArrayLike

from nilometer.compare.comparator import Comparator, Fewest, Sides
from nilometer.compare.shares import Floats, counts_of, without_sparse_bins

# Takes the counts of one sample and those expected without drift, shape (k,); returns its part.
Part: TypeAlias = Callable[[Floats, Floats], float]


def per_degree(part: Part, reference: ArrayLike, current: ArrayLike) -> float:
    """Return the sum of the parts of both samples, divided by ``k - 1``.

    Args:
        part: Part of the statistic that one sample has.
        reference: Counts in each of *k* bins, shape (k,).
        current: Counts in the same bins, shape (k,).

    Returns:
        A number, >= 0, about 1 without drift; 0 if at most one bin is not empty.

    Raises:
        ValueError: If the shapes differ or one side is empty.
    """
    r, c = counts_of(reference, current)
    used = r + c > 0
    r, c = r[used], c[used]
    if r.size < 2:
        return 0.0
    both = r + c
    total = both.sum()
    statistic = sum(part(side, both * (side.sum() / total)) for side in (r, c))
    return max(statistic, 0.0) / (r.size - 1)


def contingency(*, name: str, part: Part, about: str, source: str) -> Comparator:
    """Return the comparator *name* whose distance is the statistic with this *part*.

    Args:
        name: Name of the comparator.
        part: Part of the statistic that one sample has.
        about: Name of the statistic, for the list of comparators.
        source: Publications of the statistic.
    """

    def distance(sides: Sides) -> float:
        return per_degree(part, *_joined(sides))

    return Comparator(
        name=name,
        distance=distance,
        noise=_one,
        about=f"{about} of both samples over its degrees of freedom; grows with n",
        unit="per degree of freedom",
        bias="1; its standard deviation is sqrt(2 / (k - 1))",
        source=source,
        fewest=Fewest(reference=30, current=30),
    )


def _one(sides: Sides) -> float:
    """Return the expected statistic without drift, 1; 0 for a single bin."""
    r, _ = _joined(sides)
    return 1.0 if r.size > 1 else 0.0


def _joined(sides: Sides) -> tuple[Floats, Floats]:
    return without_sparse_bins(*sides.counts, ordered=sides.bins.ordered)
