"""A matrix that a user logs, such as correlations of features."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeAlias

from nilometer.profile.logged.amounts import Amount, Amounts, Head
from nilometer.profile.logged.logged import Logged, Shape

MAX_SIDE = 64  # most rows, and most columns

Place: TypeAlias = tuple[int, int]  # row, column


@dataclass(frozen=True, slots=True)
class Matrix(Logged[Place]):
    """A matrix of numbers; samples of one shape merge cell by cell.

    Attributes:
        rows: Number of rows.
        columns: Number of columns; each is at most `MAX_SIDE`.
    """

    kind: ClassVar[str] = "matrix"

    rows: int = 0
    columns: int = 0
    amounts: Amounts[Place] = field(default_factory=Amounts)

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]], head: Head, weight: int = 1) -> Self:
        """Return the matrix of one sample; *head* has its other properties.

        Raises:
            ValueError: If *rows* differ in length, or are not 1 to `MAX_SIDE`.
        """
        lengths = {len(row) for row in rows}
        if len(lengths) != 1 or not 0 < len(rows[0]) <= MAX_SIDE or len(rows) > MAX_SIDE:
            raise ValueError(f"rows: must be 1 to {MAX_SIDE}, all of one length up to {MAX_SIDE}")
        cells = {
            (at, column): Amount.of(float(value), head.aggregation, weight)
            for at, row in enumerate(rows)
            for column, value in enumerate(row)
        }
        return cls(len(rows), len(rows[0]), Amounts.of(head, cells))

    @property
    def values(self) -> list[list[float | None]]:
        """The numbers, row by row."""
        return [
            [self.amounts.value((row, column)) for column in range(self.columns)]
            for row in range(self.rows)
        ]

    @property
    def shape(self) -> Shape:
        """The number of rows and of columns."""
        return (("rows", str(self.rows)), ("columns", str(self.columns)))

    @property
    def header(self) -> tuple[object, ...]:
        """The number of rows and of columns."""
        return (self.rows, self.columns)

    @classmethod
    def of_parts(cls, parts: list[Self], amounts: Amounts[Place]) -> Self:
        """Return the merged matrix.

        Raises:
            ValueError: If the shapes differ.
        """
        shapes = {(part.rows, part.columns) for part in parts}
        if len(shapes) > 1:
            raise ValueError("matrices of different shapes do not merge")
        rows, columns = shapes.pop() if shapes else (0, 0)
        return cls(rows, columns, amounts)
