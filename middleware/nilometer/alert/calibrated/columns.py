"""Columns: the counts of a window that are judged, and their order.

A `Column` is made once from the reference. It converts the profile of each window to a vector of
counts. The vectors of windows and pods are merged by addition, in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nilometer.compare.bins import OTHER, UNSEEN, expected_unseen
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.numeric import NumericProfile
from nilometer.profile.reference import ReferenceColumn

Floats = NDArray[np.float64]


class Total(IntEnum):
    """The totals at the end of a vector. Rates are shares of the first three."""

    CELLS = 0
    NUMBERS = 1
    CATEGORIES = 2
    REQUESTS = 3  # requests that contained the cells; 0 if unknown
    SQUARES = 4  # sum over subjects of the square of their number of cells; 0 if unknown


@dataclass(frozen=True, slots=True)
class Rate:
    """A judged share of a total.

    Attributes:
        name: Name of the share in the evidence, such as ``missing`` or ``= card``.
        of: Denominator of the share: a `Total`, or -1, -2, ... for the last, the second to last, ...
            of the column's own totals.
        reference: The share in the reference, 0 to 1.
        rises_only: Whether only a rise is judged, because a fall is an improvement.
    """

    name: str
    of: int
    reference: float
    rises_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Column:
    """The judged counts of one summary.

    The vector of a column has `width` items, in this order: the count of each bin, the count of
    each rate, the column's own totals, and those of `Total`.

    Attributes:
        summary: Name of the summary, such as ``input.amount``.
        shares: Share of the reference in each bin, shape (k,), all above 0, with sum 1; empty if
            the column has no numbers.
        rates: The rates; rates of one denominator are adjacent.
        rows: Number of numbers or categories in the reference, which limits how exact a share is.
        edges: Bin edges of the reference's numbers; empty for categories.
        held: Whether the reference has numbers in each bin of *edges*, shape (len(edges) + 1,).
        dictionary: Id of the reference's dictionary; empty for numbers.
        expected: Type of most cells of the reference; empty if unknown.
        own_totals: Number of further denominators, such as the rows of each true class.
        low: Smallest number of the reference; None if unknown, as in columns that older versions have
            stored.
        high: Largest number of the reference.
    """

    summary: str
    shares: Floats
    rates: tuple[Rate, ...]
    rows: float
    edges: tuple[float, ...] = ()
    held: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    dictionary: str = ""
    expected: str = ""
    own_totals: int = 0
    low: float | None = None
    high: float | None = None

    @property
    def bins(self) -> int:
        """Number of bins that have numbers in the reference."""
        return len(self.shares)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return self.bins + len(self.rates) + self.own_totals + len(Total)

    @cached_property
    def _between(self) -> NDArray[np.intp]:
        """Positions of inner bins that have no numbers in the reference."""
        empty = np.flatnonzero(~self.held)
        return empty[(empty > 0) & (empty < len(self.held) - 1)]

    @classmethod
    def of(cls, summary: str, reference: ReferenceColumn) -> "Column":
        """Return the column of *summary* with the parameters that *reference* froze."""
        past = reference.feature
        cells = max(past.cells, 1)
        unusable = past.non_finite + past.null_like + sum(past.type_errors.values())
        rates = [
            Rate("missing", Total.CELLS, past.missing / cells),
            Rate("not usable", Total.CELLS, unusable / cells),
        ]
        if past.numbers.count >= max(past.categories.total, 1):
            return cls._of_numbers(summary, reference, rates)
        return cls._of_categories(summary, reference, rates)

    @classmethod
    def _of_numbers(
        cls, summary: str, reference: ReferenceColumn, rates: Sequence[Rate]
    ) -> "Column":
        counts = np.asarray(reference.feature.numbers.counts_on(reference.edges)[0])
        total = float(counts.sum())
        held = counts > 0
        added = [
            Rate("below the reference", Total.NUMBERS, 0.0),
            Rate("above the reference", Total.NUMBERS, 0.0),
        ]
        if not held[1:-1].all():
            added.append(Rate("between known values", Total.NUMBERS, 0.0))
        return cls(
            summary=summary,
            shares=counts[held] / total,
            rates=(*rates, *added),
            rows=total,
            edges=reference.edges,
            held=held,
            expected=reference.expected,
            low=None if reference.bounds is None else reference.bounds.low,
            high=None if reference.bounds is None else reference.bounds.high,
        )

    @classmethod
    def _of_categories(
        cls, summary: str, reference: ReferenceColumn, rates: Sequence[Rate]
    ) -> "Column":
        known = reference.feature.categories.dictionary
        dictionary = reference.dictionary
        if known is None or dictionary is None or not known.total:
            return cls(
                summary=summary, shares=np.zeros(0), rates=tuple(rates),
                rows=float(max(reference.feature.cells, 1)), expected=reference.expected,
            )  # fmt: skip
        names = [*(f"= {name}" for name in dictionary.names), OTHER, UNSEEN]
        new = expected_unseen(reference, known.other)
        counts = (*known.counts, known.other - new, known.unseen + new)
        added = [
            Rate(name, Total.CATEGORIES, count / known.total)
            for name, count in zip(names, counts, strict=True)
        ]
        return cls(
            summary=summary,
            shares=np.zeros(0),
            rates=(*rates, *added),
            rows=float(known.total),
            dictionary=dictionary.id,
            expected=reference.expected,
        )

    def vector(self, profile: FeatureProfile, *, requests: int = 0, squares: float = 0.0) -> Floats:
        """Return the counts of *profile*, shape (`width`,).

        Numbers that were not counted on the reference's edges are estimated from the digest.
        Categories that were not counted on its dictionary are not judged, so their total is 0.

        Args:
            profile: Profile of the summary in one window.
            requests: Number of requests that contained its cells; 0 if unknown.
            squares: Sum over subjects, such as users, of the square of their number of cells; 0
                without a subject field.
        """
        cells = profile.cells
        errors = sum(
            count for kind, count in profile.types.items() if self.expected not in ("", kind)
        )
        unusable = profile.non_finite + profile.null_like + errors
        shared: list[float] = [profile.missing, unusable]
        numbers, categories = profile.numbers, profile.categories
        if self.edges or self.bins:
            found, is_estimated = numbers.counts_on(self.edges)
            counts = np.asarray(found)
            rates = [*shared, *self._outside(numbers, is_estimated=is_estimated)]
            if len(self.rates) > len(rates):
                rates.append(float(counts[self._between].sum()))
            total = [cells, float(counts.sum()), 0, requests, squares]
            return np.concatenate([counts[self.held], rates, total])
        known = categories.dictionary
        if known is None or known.id != self.dictionary:
            padding = [0.0] * (len(self.rates) - len(shared))
            return np.array([*shared, *padding, cells, 0, 0, requests, squares], np.float64)
        rates = [*shared, *known.counts, known.other, known.unseen]
        return np.array([*rates, cells, 0, known.total, requests, squares], np.float64)

    def _outside(self, numbers: NumericProfile, *, is_estimated: bool) -> tuple[float, float]:
        """Return how many of *numbers* are below and above those of the reference.

        Numbers that were counted for another reference have counts of what is outside of that one,
        so these are estimated, too.
        """
        if not is_estimated or self.low is None or self.high is None:
            return numbers.below_reference, numbers.above_reference
        below, up_to = numbers.digest.rank([np.nextafter(self.low, -np.inf), self.high])
        return float(below) * numbers.count, float(1 - up_to) * numbers.count
