"""Columns of a result, and their conversion to Arrow, pandas and polars, which are optional."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from nilometer.client.optional import optional

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class Kind(Enum):
    """The type of the cells of a column; every cell may be None."""

    TIME = "time"  # datetime in UTC
    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Column:
    """A named column.

    Attributes:
        name: Name, unique in its table.
        kind: Type of the cells.
        cells: Cells, one for each row.
    """

    name: str
    kind: Kind
    cells: Sequence[Any]


class Tabular(ABC):
    """A result with rows and columns."""

    @abstractmethod
    def columns(self) -> list[Column]:
        """Return the columns, all of one length."""

    def to_arrow(self) -> "pyarrow.Table":
        """Return the rows as an Arrow table.

        Raises:
            ModuleNotFoundError: If pyarrow is not installed.
        """
        pyarrow = optional("pyarrow", "to_arrow", "pyarrow")
        kinds = {
            Kind.TIME: pyarrow.timestamp("us", "UTC"),
            Kind.TEXT: pyarrow.string(),
            Kind.WHOLE: pyarrow.int64(),
            Kind.NUMBER: pyarrow.float64(),
        }
        found = {one.name: pyarrow.array(one.cells, kinds[one.kind]) for one in self.columns()}
        return pyarrow.table(found)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the rows as a pandas data frame; a missing number is NaN.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        pandas = optional("pandas", "to_pandas", "pandas")
        kinds = {
            Kind.TIME: "datetime64[us, UTC]",
            Kind.TEXT: "object",
            Kind.WHOLE: "int64",
            Kind.NUMBER: "float64",
        }
        found = {
            one.name: pandas.Series(list(one.cells), dtype=kinds[one.kind])
            for one in self.columns()
        }
        return pandas.DataFrame(found)

    def to_polars(self) -> "polars.DataFrame":
        """Return the rows as a polars data frame.

        Raises:
            ModuleNotFoundError: If polars is not installed.
        """
        polars = optional("polars", "to_polars", "polars")
        kinds = {
            Kind.TIME: polars.Datetime("us", "UTC"),
            Kind.TEXT: polars.String,
            Kind.WHOLE: polars.Int64,
            Kind.NUMBER: polars.Float64,
        }
        columns = self.columns()
        schema = {one.name: kinds[one.kind] for one in columns}
        return polars.DataFrame({one.name: list(one.cells) for one in columns}, schema=schema)


def named_columns(
    prefix: str, rows: Sequence[Mapping[str, Any]], kind: Kind = Kind.NUMBER
) -> list[Column]:
    """Return one column for each name in *rows*, in the order of their first row."""
    names: Iterable[str] = dict.fromkeys(name for row in rows for name in row)
    return [Column(f"{prefix}{name}", kind, [row.get(name) for row in rows]) for name in names]
