"""Exports the logged predictions of an entity from a collector to a Parquet file.

The pages are kept in a temporary file first, because only the last one tells all columns and their
types. So the file needs little memory, and the collector is read once.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from nilometer.client.answers import LoggedPrediction
from nilometer.client.client import Client
from nilometer.client.conversations import prediction_page, require_new
from nilometer.client.spans import Span
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow

ROWS_AT_ONCE = 2000  # rows of a page, and of a group of rows in the file
MICROSECONDS = 1_000_000
NUMBER, TRUTH, TEXT = "number", "truth", "text"  # types of columns

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(list[LoggedPrediction]).decode


def export_predictions(client: Client, entity: str, span: Span, path: Path) -> int:
    """Write the logged predictions of *entity* to the new file *path*; return their number.

    The columns are ``prediction_id``, ``row``, ``time``, ``labels``, ``subject``, and one for each
    output and input, such as ``output.score``. A column with values of several types is text.

    Args:
        client: Client of the collector.
        entity: Name of the entity.
        span: Span of event times.
        path: Path of the Parquet file.

    Raises:
        ConfigError: If *path* exists or cannot be written, or there are no predictions in the span.
        RequestFailed: If the collector does not answer, or refuses.
    """
    import pyarrow
    import pyarrow.parquet

    if path.exists():
        raise ConfigError(f"{path}: exists: choose another name, or remove it")
    part = path.with_name(f"{path.name}.part")
    try:
        with tempfile.TemporaryFile(dir=path.parent) as spool:
            types: dict[str, str] = {}
            rows = 0
            for page in _pages(client, entity, span):
                packed = _ENCODE(page)
                spool.write(len(packed).to_bytes(8, "big") + packed)
                rows += len(page)
                for record in page:
                    _learn(types, "output", record.outputs)
                    _learn(types, "input", record.inputs)
            if not rows:
                raise ConfigError(f"{entity} has no logged predictions in this time")
            described = _schema(types)
            with pyarrow.parquet.ParquetWriter(part, described, compression="zstd") as writer:
                for page in _spooled(spool):
                    writer.write_batch(_batch(page, types, described))
        part.rename(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise ConfigError(f"{path}: {error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return rows


def _pages(client: Client, entity: str, span: Span) -> Iterator[list[LoggedPrediction]]:
    asked = [
        (name, repr(value))
        for name, value in (("start", span.start), ("end", span.end))
        if value is not None
    ]
    after: int | None = None
    seen: set[str] = set()
    while True:
        page = client.run(prediction_page(entity, asked, ROWS_AT_ONCE, after))
        if page.predictions:
            yield page.predictions
        if page.next is None:
            return
        after = page.next
        require_new(str(after), seen)


def _spooled(spool: IO[bytes]) -> Iterator[list[LoggedPrediction]]:
    spool.seek(0)
    while head := spool.read(8):
        yield _DECODE(spool.read(int.from_bytes(head, "big")))


def _learn(types: dict[str, str], side: str, values: Mapping[str, object]) -> None:
    """Add the types of *values* to the types of the columns."""
    for name, value in values.items():
        column = f"{side}.{name}"
        match value:
            case None:
                kind = ""
            case bool():
                kind = TRUTH
            case int() | float():
                kind = NUMBER
            case _:
                kind = TEXT
        before = types.setdefault(column, kind)
        if kind and before != kind:
            types[column] = TEXT if before else kind


def _schema(types: Mapping[str, str]) -> "pyarrow.Schema":
    import pyarrow

    text = pyarrow.string()
    arrow = {NUMBER: pyarrow.float64(), TRUTH: pyarrow.bool_(), TEXT: text, "": text}
    return pyarrow.schema(
        [
            ("prediction_id", text),
            ("row", pyarrow.int64()),
            ("time", pyarrow.timestamp("us", "UTC")),
            ("labels", pyarrow.map_(text, text)),
            ("subject", text),
            *((name, arrow[types[name]]) for name in sorted(types)),
        ]
    )


def _batch(
    page: list[LoggedPrediction], types: Mapping[str, str], described: "pyarrow.Schema"
) -> "pyarrow.RecordBatch":
    import pyarrow

    columns: dict[str, list[object]] = {
        "prediction_id": [one.prediction_id for one in page],
        "row": [one.row for one in page],
        "time": [round(one.time * MICROSECONDS) for one in page],
        "labels": [[*one.labels.items()] for one in page],
        "subject": [one.subject for one in page],
    }
    for column in types:
        side, _, name = column.partition(".")
        cells = [(one.outputs if side == "output" else one.inputs).get(name) for one in page]
        columns[column] = [_cell(cell, types[column]) for cell in cells]
    arrays = [pyarrow.array(columns[field.name], field.type) for field in described]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=described)


def _cell(value: float | str | bool | None, kind: str) -> object:  # noqa: FBT001  a cell
    """Return *value* in a column of the type *kind*; other values than text are JSON there."""
    if value is None or kind != TEXT or isinstance(value, str):
        return float(value) if value is not None and kind == NUMBER else value
    return msgspec.json.encode(value).decode()
