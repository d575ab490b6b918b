"""Finds columns of a reference that are too small to judge with, and how large they should be."""

from collections.abc import Sequence
from dataclasses import dataclass

from nilometer.compare.comparator import Comparator, Counted
from nilometer.compare.comparison import Comparison, NoDistance, NotCompared, compare
from nilometer.compare.registry import COMPARATORS
from nilometer.profile.reference import Reference, ReferenceColumn

MOST_NAMED = 3  # columns, or comparators of one size, that a sentence names
ROWS_A_NAME = 5  # fewest rows for each name of a column of categories
FEWEST_CATEGORIES = 50  # fewest categories of a column whose names are expected to repeat


@dataclass(frozen=True, slots=True)
class _TooSmall:
    """Why a column is too small.

    Attributes:
        count: Number of its values.
        needs: Comparators by the count of values that they need.
    """

    count: int
    needs: tuple[tuple[int, tuple[str, ...]], ...]


def shortfalls(reference: Reference) -> list[str]:
    """Return a sentence for each group of columns that some comparators cannot judge.

    A column is too small for a comparator if it has fewer values than the comparator needs, see
    `Comparator.fewest`. A column of categories is also too small if its names hardly repeat, as in
    a column of identifiers. Each sentence says how large the reference should be.

    Args:
        reference: Reference to check.

    Returns:
        Sentences; empty if the reference is large enough for all comparators.
    """
    if not reference.columns:
        return ["the reference has no columns: no summary can be compared with it"]
    alike: dict[_TooSmall, list[str]] = {}
    found = []
    for summary, column in sorted(reference.columns.items()):
        short = _too_small(column)
        if short is not None:
            alike.setdefault(short, []).append(summary)
        names = _names_that_hardly_repeat(column)
        if names:
            found.append(
                f"{summary} has about {names} different names in "
                f"{column.feature.categories.total} values: leave the column out if it is an "
                f"identifier, or use at least {ROWS_A_NAME * names} values"
            )
    return [_sentence(summaries, short) for short, summaries in alike.items()] + found


def _too_small(column: ReferenceColumn) -> _TooSmall | None:
    """Return which comparators cannot judge the column; None if all can."""
    needs: dict[int, list[str]] = {}
    for comparator in COMPARATORS.values():
        fewest = comparator.fewest.reference
        if comparator.counted.of(column.feature) < fewest and _applies(comparator, column):
            needs.setdefault(fewest, []).append(comparator.name)
    if not needs:
        return None
    return _TooSmall(
        column.feature.count, tuple((need, tuple(needs[need])) for need in sorted(needs))
    )


def _applies(comparator: Comparator, column: ReferenceColumn) -> bool:
    """Return whether the comparator can judge values of this type, if there are enough."""
    found = compare(comparator, column, column.feature)
    is_too_few = isinstance(found, NotCompared) and found.reason is NoDistance.TOO_FEW
    return comparator.counted is Counted.VALUES and (is_too_few or isinstance(found, Comparison))


def _names_that_hardly_repeat(column: ReferenceColumn) -> int:
    """Return the number of different names if most names are rare; 0 if names repeat."""
    total, distinct = column.feature.categories.total, column.feature.distinct
    if distinct is None or total < FEWEST_CATEGORIES:
        return 0
    names = round(distinct.estimate)
    return names if 2 * names >= total else 0


def _sentence(summaries: Sequence[str], short: _TooSmall) -> str:
    has = "has" if len(summaries) == 1 else "have"
    needs = ", ".join(f"{_listed(names)} ({need})" for need, names in short.needs)
    most = short.needs[-1][0]
    return (
        f"{_listed(summaries)} {has} {short.count} values, too few for {needs}: use at least {most}"
    )


def _listed(names: Sequence[str]) -> str:
    """Return the first names in words, and how many more there are."""
    shown = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
