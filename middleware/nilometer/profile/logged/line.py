"""A line that a user logs, such as a calibration curve."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeAlias

from nilometer.profile.logged.amounts import Amount, Amounts, Head
from nilometer.profile.logged.logged import Logged

MAX_POINTS = 1024  # most points of one sample
MAX_MERGED_POINTS = 8 * MAX_POINTS  # most points of merged samples; those of larger x overflow
OVERFLOW_X = math.inf  # x of the points beyond that, merged to one

X: TypeAlias = tuple[float]


@dataclass(frozen=True, slots=True)
class Line(Logged[X]):
    """Points of a line by x; those with the same x merge.

    Merged samples keep the `MAX_MERGED_POINTS` points of smallest x. All others are merged at
    `OVERFLOW_X`.
    """

    kind: ClassVar[str] = "line"

    amounts: Amounts[X] = field(default_factory=Amounts)

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]], head: Head, weight: int = 1) -> Self:
        """Return the line of one sample; *head* has its other properties.

        Raises:
            ValueError: If there are no points, over `MAX_POINTS`, two with the same x, or one
                without a finite x.
        """
        cells = {
            (x + 0.0,): Amount.of(float(y), head.aggregation, weight) for x, y in points
        }  # adding 0.0 turns -0.0 into 0.0
        if not cells or len(points) > MAX_POINTS:
            raise ValueError(f"points: must be 1 to {MAX_POINTS}")
        if len(cells) < len(points):
            raise ValueError("points: two have the same x")
        if not all(math.isfinite(x) for (x,) in cells):
            raise ValueError("points: x must be finite")
        return cls(Amounts.of(head, cells))

    @property
    def points(self) -> list[tuple[float, float]]:
        """The points by x, without the overflow."""
        found = ((x, self.amounts.value((x,))) for (x,) in sorted(self.amounts.cells))
        return [(x, y) for x, y in found if y is not None and x != OVERFLOW_X]

    @property
    def overflow(self) -> float | None:
        """The merged y of the points over the limit; None without such points."""
        return self.amounts.value((OVERFLOW_X,))

    @classmethod
    def of_parts(cls, parts: list[Self], amounts: Amounts[X]) -> Self:
        """Return the merged line."""
        del parts
        if len(amounts.cells) <= MAX_MERGED_POINTS:
            return cls(amounts)
        kept = set(sorted(amounts.cells)[:MAX_MERGED_POINTS])
        return cls(amounts.folded(lambda key: key if key in kept else (OVERFLOW_X,)))
