"""Reads tables from files and from data frames.

The suffix of a file selects its format; pyarrow reads it. A data frame is converted by its Arrow
stream.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from io import BytesIO
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from nilometer.bodies.column_names import placed
from nilometer.bodies.tables import LOOKED_AT, has_header
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow

PART_ROWS = 1 << 16  # most rows of a file that are in memory at once


def read_table(path: Path) -> "pyarrow.Table":
    """Return the table in a Parquet, CSV or JSON-lines file.

    Columns of a CSV file whose header is missing or looks like a value are named by position.

    Raises:
        ConfigError: If pyarrow is missing, or the file's content does not match its suffix.
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


def table_parts(path: Path) -> "Iterator[pyarrow.Table]":
    """Yield the rows of a file as tables of at most `PART_ROWS` rows, with bounded memory.

    A file is always split into the same parts. Each part of a JSON-lines file has its own types.

    Raises:
        ConfigError: If pyarrow is missing, or the file's content does not match its suffix.
    """
    pyarrow = require_pyarrow()
    readers = {
        ".parquet": _parquet_parts,
        ".csv": _csv_parts,
        ".jsonl": _json_parts,
        ".ndjson": _json_parts,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path}: must end in one of {', '.join(readers)}")
    try:
        yield from reader(path)
    except (OSError, csv.Error, pyarrow.ArrowException) as error:
        raise ConfigError(f"{path}: {error}") from error


def _parquet_parts(path: Path) -> "Iterator[pyarrow.Table]":
    import pyarrow
    from pyarrow import parquet

    # A buffer that reads ahead would keep all data until the end of the file.
    with parquet.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=PART_ROWS):
            yield pyarrow.Table.from_batches([batch])


def _csv_parts(path: Path) -> "Iterator[pyarrow.Table]":
    import pyarrow
    from pyarrow import csv as arrow_csv

    with arrow_csv.open_csv(path, _csv_options(path)) as reader:
        for batch in reader:
            for start in range(0, batch.num_rows, PART_ROWS):
                yield pyarrow.Table.from_batches([batch.slice(start, PART_ROWS)])


def _json_parts(path: Path) -> "Iterator[pyarrow.Table]":
    from pyarrow import json

    with path.open("rb") as file:
        while lines := [*islice(file, PART_ROWS)]:
            text = b"".join(line for line in lines if line.strip())
            if text:
                yield json.read_json(BytesIO(text))


def _csv_options(path: Path) -> "pyarrow.csv.ReadOptions":
    """Return the names of a CSV file's columns, and where its data begins."""
    from pyarrow.csv import ReadOptions

    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        first = [row for row in islice(csv.reader(file), LOOKED_AT) if row]
    if not first:
        return ReadOptions()
    width = len(first[0])
    table = [row for row in first if len(row) == width]
    if not has_header(table, lambda _: True):  # a file that contains only words has a header
        return ReadOptions(column_names=[*map(str, range(width))])
    names = placed(first[0])
    return ReadOptions() if names == first[0] else ReadOptions(column_names=names, skip_rows=1)


def table_of(frame: object) -> "pyarrow.Table":
    """Return *frame*, a table or another object that exports Arrow streams, as an Arrow table.

    Data frames of pandas and polars export Arrow streams.

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
