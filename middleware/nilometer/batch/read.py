"""Reads tables from files and from data frames.

A file is read by its suffix, with pyarrow. A data frame is converted by its Arrow stream.
"""

import csv
from collections.abc import Callable, Mapping
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from nilometer.bodies.column_names import placed
from nilometer.bodies.tables import LOOKED_AT, has_header
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow


def read_table(path: Path) -> "pyarrow.Table":
    """Return the table in a Parquet, CSV or JSON-lines file.

    Columns of a CSV file whose header is missing or looks like a value are named by position.

    Raises:
        ConfigError: If pyarrow is missing, or the file does not have its suffix's format.
    """
    pyarrow = require_pyarrow()
    from pyarrow import csv as arrow_csv
    from pyarrow import json, parquet

    readers: Mapping[str, Callable[[Path], object]] = {
        ".parquet": parquet.read_table,
        ".csv": lambda path: arrow_csv.read_csv(path, _csv_options(path)),
        ".jsonl": json.read_json,
        ".ndjson": json.read_json,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path}: must end in one of {', '.join(readers)}")
    try:
        return reader(path)
    except (OSError, csv.Error, pyarrow.ArrowException) as error:
        raise ConfigError(f"{path}: {error}") from error


def _csv_options(path: Path) -> "pyarrow.csv.ReadOptions":
    """Return the names of a CSV file's columns, and where its data begins."""
    from pyarrow.csv import ReadOptions

    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        first = [row for row in islice(csv.reader(file), LOOKED_AT) if row]
    if not first:
        return ReadOptions()
    width = len(first[0])
    table = [row for row in first if len(row) == width]
    if not has_header(table, lambda _: True):  # files of words have a header
        return ReadOptions(column_names=[*map(str, range(width))])
    names = placed(first[0])
    return ReadOptions() if names == first[0] else ReadOptions(column_names=names, skip_rows=1)


def table_of(frame: object) -> "pyarrow.Table":
    """Return *frame*, a table or any object that exports Arrow streams, as an Arrow table.

    Data frames of pandas and polars do so.

    Raises:
        ConfigError: If pyarrow is missing or *frame* exports no Arrow stream.
    """
    pyarrow = require_pyarrow()
    if isinstance(frame, pyarrow.Table):
        return frame
    if not hasattr(frame, "__arrow_c_stream__"):
        raise ConfigError(f"{type(frame).__name__} is not a table: it exports no Arrow stream")
    return pyarrow.table(frame)


def require_pyarrow() -> ModuleType:
    """Return the module pyarrow.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise ConfigError(
            "profiling a table needs pyarrow: pip install 'nilometer[batch]'"
        ) from error
