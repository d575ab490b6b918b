"""Reads the cells of Arrow columns as Python objects."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow


def python_cells(column: "pyarrow.ChunkedArray") -> list[object]:
    """Return the cells of *column*; times are cut to microseconds, as Python has no finer ones.

    Raises:
        ValueError: If text is not UTF-8, or a time zone is not known.
        OverflowError: If a time lies outside the years 1 to 9999.
    """
    coarse = _in_microseconds(column.type)
    if coarse is not None:
        column = column.cast(coarse, safe=False)
    return list(column.to_pylist())


def _in_microseconds(kind: "pyarrow.DataType") -> "pyarrow.DataType | None":
    """Return *kind* with microseconds instead of nanoseconds; None if it has none."""
    import pyarrow

    if getattr(kind, "unit", "") != "ns":
        return None
    if pyarrow.types.is_timestamp(kind):
        return pyarrow.timestamp("us", kind.tz)
    return pyarrow.time64("us") if pyarrow.types.is_time(kind) else pyarrow.duration("us")
