"""The columns that gathered observations have, and the same with their absent cells."""

from collections.abc import Mapping
from dataclasses import dataclass

from nilometer.decode.columns import Block, Column, Present, Side

MAX_ALIGNED_CELLS = 1 << 20  # absent ones too, that profilers are given at once


@dataclass(frozen=True, slots=True)
class Found:
    """One column.

    Attributes:
        name: Its name in the bodies.
        side: Of the bodies; None where the model's own code gave the cells.
        present: Where its cells are.
    """

    name: str
    side: Side | None
    present: Present

    @classmethod
    def given(cls, name: str, cells: Column) -> "Found":
        """A column of *cells*, none of which is absent."""
        present = Present()
        present.add_blocks([Block(len(cells), {name: cells})], len(cells))
        return cls(name, None, present)

    @property
    def rows(self) -> int:
        """Rows of its side, those without it too."""
        return self.present.count if self.side is None else self.side.rows

    def aligned(self) -> Column:
        """A cell a row; None where a row does not have it."""
        if self.side is None or self.present.count == self.side.rows:
            return self.present.cells(self.name)
        return self.side.column(self.name)


def aligned(found: Mapping[str, Found], absent: Mapping[str, int]) -> dict[str, Column]:
    """Columns for profilers, those that most rows have first.

    Args:
        found: Columns by summary name.
        absent: Rows of each known column that no row has.

    Returns:
        A cell a row each, None where it is absent; no more than `MAX_ALIGNED_CELLS` in all.
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
