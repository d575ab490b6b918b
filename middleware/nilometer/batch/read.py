"""Tables from files and from data frames.

A file is read by its suffix, with pyarrow; a data frame is taken over by its Arrow stream.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow


def read_table(path: Path) -> "pyarrow.Table":
    """The table in a Parquet, CSV or JSON-lines file.

    Raises:
        ConfigError: If pyarrow is missing or the file cannot be read as its suffix says.
    """
    pyarrow = require_pyarrow()
    from pyarrow import csv, json, parquet

    readers: Mapping[str, Callable[[Path], object]] = {
        ".parquet": parquet.read_table,
        ".csv": csv.read_csv,
        ".jsonl": json.read_json,
        ".ndjson": json.read_json,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path}: must end in one of {', '.join(readers)}")
    try:
        return reader(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise ConfigError(f"{path}: {error}") from error


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
