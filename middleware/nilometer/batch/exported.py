"""History as Parquet: one row for each summary, label set and window, with its sketches.

Other programs read the columns, such as ``p99``. The column ``sample`` has all sketches, as the
protobuf message ``nilometer.v1.SummarySample``, so rows can be merged again and asked for any
quantile. `merge_rows` does this for Arrow batches, such as those of Spark.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nilometer.alert.statistic import COUNT, STATISTICS, statistic_of
from nilometer.profile import SummarySample
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.samples import merged_sample_from_bytes, sample_from_bytes, sample_to_bytes

if TYPE_CHECKING:
    import pyarrow

SAMPLE = "sample"  # column with the encoded samples
STORE = b"nilometer.store"  # key of the file's metadata with the name of the store
HELD_BYTES = 1 << 20  # samples of one result that wait to be merged
# Names of Arrow's types in the schemas of Spark.
_SPARK = {
    "string": "string",
    "int64": "bigint",
    "double": "double",
    "binary": "binary",
    "map<string, string>": "map<string, string>",
    "timestamp[us, tz=UTC]": "timestamp",
}


@cache
def schema() -> "pyarrow.Schema":
    """Return the schema of the rows; statistics that a content does not have are null."""
    import pyarrow

    text, instant = pyarrow.string(), pyarrow.timestamp("us", "UTC")
    return pyarrow.schema(
        [
            ("entity", text),
            ("summary", text),
            ("labels", pyarrow.map_(text, text)),
            ("window_start", instant),
            ("window_end", instant),
            ("kind", text),
            ("count", pyarrow.int64()),
            ("seen", pyarrow.int64()),
            ("share", pyarrow.float64()),
            *((name, pyarrow.float64()) for name in STATISTICS if name != COUNT),
            (SAMPLE, pyarrow.binary()),
        ]
    )


def spark_schema() -> str:
    """Return the schema of the rows in Spark's notation, for `mapInArrow`."""
    return ", ".join(f"`{field.name}` {_SPARK[str(field.type)]}" for field in schema())


def batch_of(packed: Sequence[bytes]) -> "pyarrow.RecordBatch":
    """Return a row for each encoded sample, in order.

    Raises:
        ValueError: If the bytes are not samples.
    """
    import pyarrow

    rows = [_row(sample_from_bytes(one), one) for one in packed]
    return pyarrow.RecordBatch.from_pylist(rows, schema())


def samples_of(path: Path) -> Iterator[bytes]:
    """Yield the encoded sample of each row of a Parquet file, reading a part at a time.

    Raises:
        ConfigError: If the file cannot be read, or is not an export.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if SAMPLE not in file.schema_arrow.names:
                raise ConfigError(f"{path}: is not an export of nilometer: has no column {SAMPLE}")
            for batch in file.iter_batches(columns=[SAMPLE]):
                for cell in batch.column(0).to_pylist():
                    if not isinstance(cell, bytes):
                        raise ConfigError(
                            f"{path}: is not an export of nilometer: a sample is null"
                        )
                    yield cell
    except (OSError, pyarrow.ArrowException) as error:
        raise _unreadable(path, error) from error


def store_of(path: Path) -> str:
    """Return the name of the store that a Parquet file was exported from; empty if it has none.

    Raises:
        ConfigError: If the file cannot be read.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    except (OSError, pyarrow.ArrowException) as error:
        raise _unreadable(path, error) from error
    name: bytes = metadata.get(STORE, b"")
    return name.decode("utf-8", "replace")


def _unreadable(path: Path, error: Exception) -> ConfigError:
    first = (getattr(error, "strerror", None) or str(error)).partition("\n")[0]
    return ConfigError(f"{path}: {first}")


class _Key(NamedTuple):
    """The samples that become one row."""

    entity: str
    summary: str
    labels: Labels
    start_ns: int


def merge_rows(
    batches: "Iterable[pyarrow.RecordBatch]",
    *,
    step_seconds: int | None = None,
    by: Sequence[str] = (),
) -> "Iterator[pyarrow.RecordBatch]":
    """Merge rows of an export, and yield one row for each entity, summary and label set.

    Holds at most about `HELD_BYTES` of samples for each result. A partition of Spark that has all
    rows of a result returns the result; otherwise merge the returned rows again.

    Args:
        batches: Rows with the column ``sample``.
        step_seconds: Length of aligned windows to merge into, >= 1; None merges all windows.
        by: Label keys to keep; all other labels are merged.

    Raises:
        ValueError: If the bytes are not samples, or samples of different types have one name.
    """
    waiting: dict[_Key, _Pile] = {}
    for batch in batches:
        for packed in batch.column(SAMPLE).to_pylist():
            sample = sample_from_bytes(packed, digest=False)
            key = _key(sample, step_seconds, by)
            waiting.setdefault(key, _Pile(key)).add(packed, sample.window)
    if waiting:
        yield batch_of([waiting[key].merged() for key in sorted(waiting)])


class _Pile:
    """Encoded samples of one result; they are merged when there are too many of them."""

    def __init__(self, key: _Key) -> None:
        self._labels = key.labels
        self._packed: list[bytes] = []
        self._bytes = 0
        self._start_ns = self._end_ns = -1

    def add(self, packed: bytes, window: Window) -> None:
        first = not self._packed
        self._start_ns = window.start_ns if first else min(self._start_ns, window.start_ns)
        self._end_ns = max(self._end_ns, window.end_ns)
        self._packed.append(packed)
        self._bytes += len(packed)
        if self._bytes > HELD_BYTES:
            self._packed = [self.merged()]
            self._bytes = len(self._packed[0])

    def merged(self) -> bytes:
        """Return the samples as one."""
        window = Window(self._start_ns, self._end_ns)
        return sample_to_bytes(merged_sample_from_bytes(self._packed, window, self._labels))


def _key(sample: SummarySample, step_seconds: int | None, by: Sequence[str]) -> _Key:
    labels = Labels(tuple(pair for pair in sample.labels.pairs if pair[0] in by))
    step_ns = 0 if step_seconds is None else step_seconds * NANOSECONDS
    start_ns = sample.window.start_ns // step_ns * step_ns if step_ns else 0
    return _Key(sample.entity, sample.summary, labels, start_ns)


def _row(sample: SummarySample, packed: bytes) -> dict[str, Any]:
    content = sample.content
    return {
        "entity": sample.entity,
        "summary": sample.summary,
        "labels": list(sample.labels.pairs),
        "window_start": sample.window.start_ns // 1000,
        "window_end": sample.window.end_ns // 1000,
        "kind": content.kind,
        "count": content.count,
        "seen": sample.coverage.seen,
        "share": sample.sample,
        **{name: statistic_of(content, name) for name in STATISTICS if name != COUNT},
        SAMPLE: packed,
    }
