"""A line that a user logs, such as a calibration curve."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeAlias

from nilometer.profile.logged.amounts import Amount, Amounts, Head
from nilometer.profile.logged.logged import Logged

MAX_POINTS = 1024  # most points of one sample
MAX_MERGED_POINTS = 8 * MAX_POINTS  # most points of merged samples, which may differ in x

X: TypeAlias = tuple[float]


@dataclass(frozen=True, slots=True)
class Line(Logged[X]):
    """Points of a line by x; those with the same x merge."""

    kind: ClassVar[str] = "line"

    amounts: Amounts[X] = field(default_factory=Amounts)

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]], head: Head, weight: int = 1) -> Self:
        """Return the line of one sample; *head* has its other properties.

        Raises:
            ValueError: If there are no points, over `MAX_POINTS`, or two with the same x.
        """
        cells = {
            (x + 0.0,): Amount.of(float(y), head.aggregation, weight) for x, y in points
        }  # adding 0.0 turns -0.0 into 0.0
        if not cells or len(points) > MAX_POINTS:
            raise ValueError(f"points: must be 1 to {MAX_POINTS}")
        if len(cells) < len(points):
            raise ValueError("points: two have the same x")
        return cls(Amounts.of(head, cells))

    @property
    def points(self) -> list[tuple[float, float]]:
        """The points by x."""
        found = ((x, self.amounts.value((x,))) for (x,) in sorted(self.amounts.cells))
        return [(x, y) for x, y in found if y is not None]

    @classmethod
    def of_parts(cls, parts: list[Self], amounts: Amounts[X]) -> Self:
        """Return the merged line.

        Raises:
            ValueError: If it has over `MAX_MERGED_POINTS` points.
        """
        del parts
        if len(amounts.cells) > MAX_MERGED_POINTS:
            raise ValueError(f"a line of over {MAX_MERGED_POINTS} points is not kept")
        return cls(amounts)
