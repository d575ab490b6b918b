"""A table that a user logs, such as metrics by segment."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self, TypeAlias

from nilometer.profile.logged.amounts import NO_AMOUNT, Aggregation, Amount, Amounts, Head
from nilometer.profile.logged.logged import Logged, Shape
from nilometer.values.labels import OVERFLOW_KEY

MAX_COLUMNS = 32
MAX_ROWS = 512  # most rows of one sample
MAX_MERGED_ROWS = 4096  # most rows of merged samples, besides the overflow row

Value: TypeAlias = str | float | None
RowKey: TypeAlias = tuple[str, ...]  # each text after a `=`; empty for a missing text
CellKey: TypeAlias = tuple[RowKey, int]  # row and position of the column; `ROW` is the row itself

ROW = -1


@dataclass(frozen=True, slots=True)
class Table(Logged[CellKey]):
    """Rows of texts and numbers. Rows with equal texts merge, like ``GROUP BY`` does.

    With `Aggregation.LAST`, a table keeps its rows in the logged order. Otherwise, merged samples keep
    the `MAX_MERGED_ROWS` rows of smallest texts. All others are merged to one row, whose texts are
    `OVERFLOW_KEY`. A column without a value in a sample may have texts or numbers in others.

    Attributes:
        columns: Names of the columns.
        texts: Positions of the text columns, ascending; all other columns have numbers.
    """

    kind: ClassVar[str] = "table"

    columns: tuple[str, ...] = ()
    texts: tuple[int, ...] = ()
    amounts: Amounts[CellKey] = field(default_factory=Amounts)

    @classmethod
    def of(
        cls,
        columns: Sequence[str],
        rows: Sequence[Sequence[Value]],
        head: Head,
        weight: int = 1,
    ) -> Self:
        """Return the table of one sample; *head* has its other properties.

        Raises:
            ValueError: If a column repeats or has texts and numbers, a row has another length than
                *columns*, a text is `OVERFLOW_KEY`, or there are too many; it names the place.
        """
        if not 1 <= len(columns) <= MAX_COLUMNS or len(set(columns)) < len(columns):
            raise ValueError(f"columns: must be 1 to {MAX_COLUMNS}, each once")
        if len(rows) > MAX_ROWS:
            raise ValueError(f"rows: must be at most {MAX_ROWS}")
        for at, row in enumerate(rows):
            if len(row) != len(columns):
                raise ValueError(f"rows[{at}]: has {len(row)} cells, and {len(columns)} columns")
            if OVERFLOW_KEY in row:
                raise ValueError(f"rows[{at}]: {OVERFLOW_KEY} is reserved")
        texts = tuple(at for at in range(len(columns)) if _is_text(at, rows))
        keep_order = head.aggregation is Aggregation.LAST
        parts = []
        for at, row in enumerate(rows):
            key = tuple("" if row[one] is None else f"={row[one]}" for one in texts)
            key = (f"{at:04d}", *key) if keep_order else key
            cells = {(key, ROW): Amount.of(1.0, head.aggregation, weight)}
            for column, value in enumerate(row):
                if column not in texts:
                    cells[key, column] = (
                        Amount.of(float(value), head.aggregation, weight)
                        if isinstance(value, int | float)
                        else NO_AMOUNT
                    )
            parts.append(Amounts.of(head, cells))
        merged = _one_table(parts)
        return cls(tuple(columns), texts, Amounts.of(head, merged))

    @property
    def rows(self) -> list[list[Value]]:
        """The rows, sorted by their texts, or in the logged order."""
        keys = sorted({key for key, column in self.amounts.cells if column == ROW})
        return [[self._cell(key, column) for column in range(len(self.columns))] for key in keys]

    def _cell(self, key: RowKey, column: int) -> Value:
        if column not in self.texts:
            return self.amounts.value((key, column))
        text = key[len(key) - len(self.texts) + self.texts.index(column)]
        if text == OVERFLOW_KEY:  # other texts begin with `=`
            return text
        return text[1:] if text else None

    @property
    def shape(self) -> Shape:
        """The columns: ``text``, ``number``, or an empty text without a value."""
        cells = self.amounts.cells.items()
        numbers = {column for (_, column), amount in cells if amount.weight}
        kinds = {
            **dict.fromkeys(numbers, "number"),
            **dict.fromkeys(self.texts, "text"),
        }
        return tuple((name, kinds.get(at, "")) for at, name in enumerate(self.columns))

    @classmethod
    def aligned(cls, parts: list[Self]) -> list[Self]:
        """Return *parts* with the text columns of all of them.

        Raises:
            ValueError: If a column has texts in one part and numbers in another.
        """
        texts = tuple(sorted({at for part in parts for at in part.texts}))
        return [part if part.texts == texts else part.with_texts(texts) for part in parts]

    def with_texts(self, texts: tuple[int, ...]) -> Self:
        """Return the table with text columns *texts*; new ones have no text in any row.

        Raises:
            ValueError: If a new one has numbers.
        """
        over = overflow_row(self.texts) if self.texts else None
        cells: dict[CellKey, Amount] = {}
        for (row, column), amount in self.amounts.cells.items():
            if column not in texts:
                first = len(row) - len(self.texts)  # with `Aggregation.LAST`, the position precedes
                known = dict(zip(self.texts, row[first:], strict=True))
                key = (*row[:first], *(known.get(at, "") for at in texts))
                cells[overflow_row(texts) if row == over else key, column] = amount
            elif amount.weight:
                raise ValueError(f"the column {self.columns[column]!r} has texts and numbers")
        return replace(self, texts=texts, amounts=replace(self.amounts, cells=cells))

    @property
    def header(self) -> tuple[object, ...]:
        """The columns."""
        return (self.columns, self.texts)

    @classmethod
    def of_parts(cls, parts: list[Self], amounts: Amounts[CellKey]) -> Self:
        """Return the merged table.

        Raises:
            ValueError: If the columns differ.
        """
        heads = {(part.columns, part.texts) for part in parts}
        if len(heads) > 1:
            raise ValueError("tables of different columns do not merge")
        columns, texts = heads.pop() if heads else ((), ())
        rows = {row for row, column in amounts.cells if column == ROW}
        if len(rows) > MAX_MERGED_ROWS:
            kept = set(sorted(rows)[:MAX_MERGED_ROWS])  # the overflow row is the largest
            over = overflow_row(texts)
            amounts = amounts.folded(lambda key: key if key[0] in kept else (over, key[1]))
        return cls(columns, texts, amounts)


def overflow_row(texts: Sequence[int]) -> RowKey:
    """Return the key of the row of all rows over the limit; *texts* are the text columns."""
    return (OVERFLOW_KEY,) * len(texts)


def _is_text(column: int, rows: Sequence[Sequence[Value]]) -> bool:
    """Return whether a column has texts.

    Raises:
        ValueError: If it also has numbers.
    """
    kinds = {isinstance(row[column], str) for row in rows if row[column] is not None}
    if len(kinds) > 1:
        at = next(at for at, row in enumerate(rows) if isinstance(row[column], str))
        raise ValueError(f"rows[{at}][{column}]: the column has texts and numbers")
    return kinds == {True}


def _one_table(parts: list[Amounts[CellKey]]) -> dict[CellKey, Amount]:
    """Return the cells of all rows; cells of equal rows are merged."""
    if not parts:
        return {}
    if parts[0].aggregation is Aggregation.LAST:  # every row has its own key
        return {key: amount for part in parts for key, amount in part.cells.items()}
    return dict(Amounts.merge_all(parts).cells)
