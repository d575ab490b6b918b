"""Columns that were found in gathered observations, with or without their absent cells."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from nilometer.decode.columns import Block, Column, Present, Side

MAX_ALIGNED_CELLS = 1 << 20  # cells per call of the user's profilers, including absent cells


@dataclass(frozen=True, slots=True)
class Found:
    """One column.

    Attributes:
        name: Name of the column in the bodies.
        side: Side of the bodies; None if the application logged the cells.
        present: Positions of the present cells.
        rows_without: Number of first rows that do not count. The name was still refused then, and
            its cells were counted as unnamed.
    """

    name: str
    side: Side | None
    present: Present = field(default_factory=Present)
    rows_without: int = 0

    @classmethod
    def given(cls, name: str, cells: Column) -> "Found":
        """Return a column of *cells*, all of which are present."""
        present = Present()
        present.add_blocks([Block(len(cells), {name: cells})], len(cells))
        return cls(name, None, present)

    @property
    def rows(self) -> int:
        """Number of rows of its side, including rows without the column."""
        return self.present.count if self.side is None else self.side.rows

    @property
    def missing(self) -> int:
        """Number of missing cells."""
        return max(0, self.rows - self.rows_without - self.present.count)

    @property
    def is_whole(self) -> bool:
        """Whether each row has a present cell, and `present` has them in the order of the rows."""
        return self.side is None or (
            self.present.count == self.side.rows and self.present.is_in_order
        )

    def aligned(self) -> Column:
        """Return one cell per row, in the order of the rows; None for a row without the column."""
        if not self.present.count:
            return [None] * self.rows
        if self.side is None or self.is_whole:
            return self.present.cells(self.name)
        return self.side.column(self.name)


def aligned(found: Iterable[tuple[str, Found]]) -> dict[str, Column]:
    """Return columns for the user's profilers, starting with the most complete columns.

    Args:
        found: Summary names and columns.

    Returns:
        Columns by summary name with one cell per row, None if absent; at most
        `MAX_ALIGNED_CELLS` cells in total.
    """
    room = MAX_ALIGNED_CELLS
    columns: dict[str, Column] = {}
    for summary, column in sorted(found, key=lambda one: -one[1].present.count):
        room -= column.rows
        if room < 0:
            break
        columns[summary] = column.aligned()
    return columns
