"""Columns: the counts of a window that are judged, and their order.

A `Column` is made once from the reference. It turns each profile of a window into a vector of
counts. Vectors add, so that merging windows, pods and parts is an addition in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nilometer.compare.bins import OTHER, UNSEEN
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.reference import ReferenceColumn

Floats = NDArray[np.float64]


class Total(IntEnum):
    """The totals at the end of a vector. Rates are shares of one of the first three."""

    CELLS = 0
    NUMBERS = 1
    CATEGORIES = 2
    REQUESTS = 3  # that the cells came from; 0 where that is not known
    SQUARES = 4  # sum over independent units of their squared cells; 0 where that is not known


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of a total that is judged.

    Attributes:
        name: What the share is of, as evidence shows it: ``missing``, ``= card``.
        of: The total.
        reference: The share that the reference has, 0 to 1.
    """

    name: str
    of: Total
    reference: float


@dataclass(frozen=True, kw_only=True)
class Column:
    """The judged counts of one summary.

    A vector of a column holds, in this order: the count of each bin, the count of each rate, and
    the totals. Its length is `width`.

    Attributes:
        summary: Name of the summary, such as ``input.amount``.
        shares: Share of the reference in each bin, shape (k,), all above 0, sum 1. Empty where
            the column has no numbers.
        rates: The rates.
        rows: Numbers or categories of the reference: how finely it knows a share.
        edges: Bin edges of the reference's numbers; empty for categories.
        held: Whether the reference has mass in each bin of *edges*, shape (len(edges) + 1,).
        dictionary: Id of the reference's dictionary; empty for numbers.
        expected: Type that most cells of the reference have; empty where it has none.
    """

    summary: str
    shares: Floats
    rates: tuple[Rate, ...]
    rows: float
    edges: tuple[float, ...] = ()
    held: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    dictionary: str = ""
    expected: str = ""

    @property
    def bins(self) -> int:
        """Bins with mass in the reference."""
        return len(self.shares)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return self.bins + len(self.rates) + len(Total)

    @cached_property
    def _between(self) -> NDArray[np.intp]:
        """Bins without mass in the reference between two that have some."""
        empty = np.flatnonzero(~self.held)
        return empty[(empty > 0) & (empty < len(self.held) - 1)]

    @classmethod
    def of(cls, summary: str, reference: ReferenceColumn) -> "Column":
        """The column of *summary*, as *reference* froze it."""
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
        counts = (*known.counts, known.other, known.unseen)
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
        """The counts of *profile*, shape (`width`,).

        Numbers that were not counted on the reference's edges are estimated from the digest.
        Categories that were not counted on its dictionary are not judged: their total is 0.

        Args:
            profile: Profile of the summary in one window.
            requests: Requests that its cells came from; 0 where that is not known.
            squares: Sum of the squared cells of each subject, such as a user; 0 where there is
                no subject field.
        """
        cells = profile.cells
        errors = sum(
            count for kind, count in profile.types.items() if self.expected not in ("", kind)
        )
        unusable = profile.non_finite + profile.null_like + errors
        shared: list[float] = [profile.missing, unusable]
        numbers, categories = profile.numbers, profile.categories
        if self.edges or self.bins:
            counts = np.asarray(numbers.counts_on(self.edges)[0])
            rates = [*shared, numbers.below_reference, numbers.above_reference]
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
