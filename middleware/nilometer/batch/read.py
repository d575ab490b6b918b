"""Tables from files and from data frames.

A file is read by its suffix, with pyarrow; a data frame is taken over by its Arrow stream.
"""

import csv
from collections.abc import Callable, Mapping
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from nilometer.decode.delimited import LOOKED_AT
from nilometer.decode.naming import has_header, placed
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow


def read_table(path: Path) -> "pyarrow.Table":
    """The table in a Parquet, CSV or JSON-lines file.

    Columns of a CSV file whose header is missing, or looks like a value, are named by their place.

    Raises:
        ConfigError: If pyarrow is missing or the file cannot be read as its suffix says.
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
    """The names of the columns of a CSV file, and where its data begins."""
    from pyarrow.csv import ReadOptions

    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        first = [row for row in islice(csv.reader(file), LOOKED_AT) if row]
    if not first:
        return ReadOptions()
    width = len(first[0])
    table = [row for row in first if len(row) == width]
    if not has_header(table):
        return ReadOptions(column_names=[*map(str, range(width))])
    names = placed(first[0])
    return ReadOptions() if names == first[0] else ReadOptions(column_names=names, skip_rows=1)


def table_of(frame: object) -> "pyarrow.Table":
    """An Arrow table of *frame*: a table itself, or anything that exports Arrow streams.

    Data frames of pandas and polars do.

    Raises:
        ConfigError: If pyarrow is missing or *frame* exports no Arrow stream.
    """
    pyarrow = require_pyarrow()
    if isinstance(frame, pyarrow.Table):
        return frame
    if not hasattr(frame, "__arrow_c_stream__"):
        raise ConfigError(f"{type(frame).__name__} is no table: it exports no Arrow stream")
    return pyarrow.table(frame)


def require_pyarrow() -> ModuleType:
    """The module pyarrow.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise ConfigError(
            "profiling a table needs pyarrow: pip install 'nilometer[batch]'"
        ) from error
