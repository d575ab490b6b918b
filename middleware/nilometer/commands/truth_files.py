"""Reads files of ground truth in chunks, in constant memory, from any place on.

A place is a number that a later run can start at: bytes of a text file, rows of a Parquet file. A row
that cannot be read is passed on without a value, so that the collector counts it as malformed.
"""

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import msgspec

from nilometer.values.errors import ConfigError

ENDS = 1 << 16  # bytes at each end of a file that identify it
MAX_LINE_BYTES = 1 << 20  # longest line of a text file; a longer one is malformed
SOURCE_BYTES = 16
FORMATS = ("csv", "jsonl", "parquet")
_BY_SUFFIX = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
_MAX_ROW = (1 << 31) - 1
_ROW_FIELDS = ("id", "row", "subject", "time", "value", "known")

Row: TypeAlias = Mapping[str, Any]
UNREADABLE: Row = {}


class Chunk(NamedTuple):
    """Some rows of a file.

    Attributes:
        rows: Rows in the form of ``POST /api/v1/ground-truth``.
        position: Place in the file after them.
    """

    rows: list[Row]
    position: int


@dataclass(frozen=True, slots=True)
class TruthFile:
    """A file of ground truth.

    Attributes:
        path: Path of the file.
        form: One of `FORMATS`.
        columns: Column of each field of a row, such as ``{"id": "transaction"}``.
    """

    path: Path
    form: str
    columns: Mapping[str, str]

    @classmethod
    def of(cls, path: Path, form: str | None, columns: Mapping[str, str]) -> "TruthFile":
        """Return the file, whose format is found by the end of its name if *form* is None.

        Raises:
            ConfigError: If the format is not known, or the file cannot be read.
        """
        found = form or _BY_SUFFIX.get(path.suffix.lower())
        if found is None:
            raise ConfigError(
                f"{path}: the format is not known by the name: add --format with one of "
                f"{', '.join(FORMATS)}"
            )
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        return cls(path, found, columns)

    @property
    def size(self) -> int:
        """Size in bytes; the number of rows of a Parquet file."""
        return _parquet(self.path).metadata.num_rows if self.form == "parquet" else self._bytes

    def source(self, entity: str) -> str:
        """Return the name of the file as a source: its ends, its size, and how it is read."""
        digest = hashlib.blake2b(digest_size=SOURCE_BYTES)
        told = [entity, self.form, self._bytes, sorted(self.columns.items())]
        digest.update(msgspec.json.encode(told))
        with self.path.open("rb") as opened:
            digest.update(opened.read(ENDS))
            opened.seek(max(self._bytes - ENDS, 0))
            digest.update(opened.read(ENDS))
        return digest.hexdigest()

    def chunks(self, position: int, most_rows: int) -> Iterator[Chunk]:
        """Yield the rows from *position* on, at most *most_rows* at a time.

        Raises:
            ConfigError: If the file lacks a column, or is not of its format.
        """
        try:
            if self.form == "parquet":
                yield from self._parquet_chunks(position, most_rows)
            else:
                with self.path.open("rb") as opened:
                    read = _csv_rows if self.form == "csv" else _json_rows
                    yield from _in_chunks(read(opened, position, self), most_rows)
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error}") from error

    def row_of(self, cells: Mapping[str, Any]) -> Row:
        """Return the row in *cells*, by column."""
        row: dict[str, Any] = {}
        for field, column in self.columns.items():
            cell = cells.get(column)
            if cell is not None and cell != "":
                row[field] = _cell(field, cell)
        return row

    def require(self, names: object) -> None:
        """Check that the file has the columns that were named, and a way to find predictions.

        Raises:
            ConfigError: If it lacks one; the message lists the columns that it has.
        """
        known = set(names) if isinstance(names, list | tuple) else set()
        shown = ", ".join(sorted(map(str, known))[:20])
        if self.columns["value"] not in known:
            raise ConfigError(
                f"{self.path}: has no column {self.columns['value']!r} (columns: {shown}): name the "
                "column of the true values with --value"
            )
        if self.columns["id"] not in known and not (
            {self.columns["subject"], self.columns["time"]} <= known
        ):
            raise ConfigError(
                f"{self.path}: has neither column {self.columns['id']!r}, nor both "
                f"{self.columns['subject']!r} and {self.columns['time']!r} (columns: {shown}): name "
                "them with --id, or with --subject and --time"
            )

    @property
    def _bytes(self) -> int:
        return self.path.stat().st_size

    def _parquet_chunks(self, position: int, most_rows: int) -> Iterator[Chunk]:
        opened = _parquet(self.path)
        names = opened.schema_arrow.names
        self.require(names)
        columns = [name for name in self.columns.values() if name in names]
        counts = [opened.metadata.row_group(at).num_rows for at in range(opened.num_row_groups)]
        first = skipped = 0
        while first < len(counts) and skipped + counts[first] <= position:
            skipped += counts[first]
            first += 1
        groups = list(range(first, len(counts)))
        at = skipped
        for batch in opened.iter_batches(most_rows, row_groups=groups, columns=columns):
            rows = batch.to_pylist()
            start = max(position - at, 0)
            at += len(rows)
            if start < len(rows):
                yield Chunk([self.row_of(cells) for cells in rows[start:]], at)


def _parquet(path: Path) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{path}: Parquet files need pyarrow: pip install 'nilometer[batch]'"
        ) from error
    try:
        return pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise ConfigError(f"{path}: is not a Parquet file: {error}") from error


def _in_chunks(rows: Iterator[tuple[Row, int]], most_rows: int) -> Iterator[Chunk]:
    held: list[Row] = []
    position = 0
    for row, position in rows:
        held.append(row)
        if len(held) >= most_rows:
            yield Chunk(held, position)
            held = []
    if held:
        yield Chunk(held, position)


class _Lines:
    """The lines of a text file as texts, and the place after the last one that was taken.

    A line that is not UTF-8 has the replacement character, so that the ids in it match nothing.
    """

    def __init__(self, opened: IO[bytes]) -> None:
        self._opened = opened
        self.position = opened.tell()
        self.is_whole = True  # whether the last line was not longer than `MAX_LINE_BYTES`

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._opened.readline(MAX_LINE_BYTES)
        if not line:
            raise StopIteration
        self.position += len(line)
        self.is_whole = len(line) < MAX_LINE_BYTES or line.endswith(b"\n")
        rest = line
        while not rest.endswith(b"\n") and len(rest) == MAX_LINE_BYTES:
            rest = self._opened.readline(MAX_LINE_BYTES)
            self.position += len(rest)
        return line.decode("utf-8-sig" if self.position == len(line) else "utf-8", "replace")


def _csv_rows(opened: IO[bytes], position: int, file: TruthFile) -> Iterator[tuple[Row, int]]:
    lines = _Lines(opened)
    names = next(csv.reader(lines), [])
    file.require(names)
    if position > lines.position:
        opened.seek(position)
        lines = _Lines(opened)
    rows = csv.reader(lines)
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield UNREADABLE, lines.position
            rows = csv.reader(lines)
            continue
        if not cells:
            continue  # an empty line
        is_whole = lines.is_whole and len(cells) <= len(names)
        named = zip(names, cells, strict=False)
        yield (file.row_of(dict(named)) if is_whole else UNREADABLE), lines.position


def _json_rows(opened: IO[bytes], position: int, file: TruthFile) -> Iterator[tuple[Row, int]]:
    opened.seek(position)
    lines = _Lines(opened)
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for line in lines:
        if not line.strip():
            continue
        try:
            row = file.row_of(decode(line)) if lines.is_whole else UNREADABLE
        except (msgspec.MsgspecError, RecursionError):
            row = UNREADABLE
        yield row, lines.position


def _cell(field: str, cell: Any) -> Any:
    """Return a cell as a value that the collector reads; one that it cannot read becomes None."""
    if field == "row":
        try:
            row = int(cell)
        except (TypeError, ValueError, OverflowError):
            return -1
        return row if 0 <= row <= _MAX_ROW else -1
    if field in {"id", "subject"}:
        if isinstance(cell, float) and cell.is_integer():
            cell = int(cell)
        return _text(cell) if isinstance(cell, str | int) else None
    if hasattr(cell, "isoformat"):
        return cell.isoformat()
    if isinstance(cell, str):
        return _text(cell)
    if isinstance(cell, list):
        numbers = all(isinstance(one, int | float) for one in cell)
        return [float(one) for one in cell] if numbers and field == "value" else None
    if isinstance(cell, bool | int | float):
        return cell if isinstance(cell, bool) or abs(cell) < 1e300 else None
    try:
        return float(cell)  # a decimal number
    except (TypeError, ValueError):
        return None


def _text(cell: str | int) -> str:
    return str(cell).encode("utf-8", "replace").decode()
