"""Columns found in gathered observations, with or without their absent cells."""

from collections.abc import Mapping
from dataclasses import dataclass

from nilometer.decode.columns import Block, Column, Present, Side

MAX_ALIGNED_CELLS = 1 << 20  # cells per call of the user's profilers, absent cells included


@dataclass(frozen=True, slots=True)
class Found:
    """One column.

    Attributes:
        name: Name of the column in the bodies.
        side: Side of the bodies; None if the application logged the cells.
        present: Location of the present cells.
    """

    name: str
    side: Side | None
    present: Present

    @classmethod
    def given(cls, name: str, cells: Column) -> "Found":
        """Return a column of *cells*, none of which is absent."""
        present = Present()
        present.add_blocks([Block(len(cells), {name: cells})], len(cells))
        return cls(name, None, present)

    @property
    def rows(self) -> int:
        """Number of rows of its side, including rows without the column."""
        return self.present.count if self.side is None else self.side.rows

    def aligned(self) -> Column:
        """Return one cell per row; None for a row without the column."""
        if self.side is None or self.present.count == self.side.rows:
            return self.present.cells(self.name)
        return self.side.column(self.name)


def aligned(found: Mapping[str, Found], absent: Mapping[str, int]) -> dict[str, Column]:
    """Return columns for the user's profilers, starting with the most complete columns.

    Args:
        found: Columns by summary name.
        absent: Number of rows for each known column that no row has.

    Returns:
        Columns by summary name with one cell per row, None if absent; at most
        `MAX_ALIGNED_CELLS` cells in total.
    """
    room = MAX_ALIGNED_CELLS
    columns: dict[str, Column] = {}
    for summary, column in sorted(found.items(), key=lambda one: -one[1].present.count):
        room -= column.rows
        if room < 0:
            return columns
        columns[summary] = column.aligned()
    for summary, rows in absent.items():
        room -= rows
        if room < 0:
            return columns
        columns[summary] = [None] * rows
    return columns
