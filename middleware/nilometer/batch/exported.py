"""History as Parquet: one row for each summary, label set and window, with its sketches.

Other programs read the columns, such as ``p99``. The column ``sample`` has all sketches, as the
protobuf message ``nilometer.v1.SummarySample``, so rows can be merged again and asked for any
quantile. `merge_rows` does this for Arrow batches, such as those of Spark.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nilometer.alert.statistic import COUNT, STATISTICS, statistic_of
from nilometer.profile import FeatureProfile, SummarySample
from nilometer.profile.feature import HIGHEST, LOWEST, QUANTILES
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.numbers import FEW, numbers_from_bytes
from nilometer.wire.samples import merged_sample_from_bytes, sample_from_bytes, sample_to_bytes

if TYPE_CHECKING:
    import pyarrow

SAMPLE = "sample"  # column with the encoded samples
STORE = b"nilometer.store"  # key of the file's metadata with the name of the store
HELD_BYTES = 1 << 20  # samples of one result that wait to be merged
_OF_DIGEST = (*QUANTILES, LOWEST, HIGHEST)  # statistics of features that need their t-digest
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

    samples = [sample_from_bytes(one, digest=False) for one in packed]
    columns: dict[str, list[Any]] = {
        "entity": [one.entity for one in samples],
        "summary": [one.summary for one in samples],
        "labels": [list(one.labels.pairs) for one in samples],
        "window_start": [one.window.start_ns // 1000 for one in samples],
        "window_end": [one.window.end_ns // 1000 for one in samples],
        "kind": [one.content.kind for one in samples],
        "count": [one.content.count for one in samples],
        "seen": [one.coverage.seen for one in samples],
        "share": [one.sample for one in samples],
        **_statistics(packed, samples),
        SAMPLE: list(packed),
    }
    arrays = [pyarrow.array(columns[field.name], field.type) for field in schema()]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=schema())


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


def _statistics(
    packed: Sequence[bytes], samples: Sequence[SummarySample]
) -> dict[str, list[float | None]]:
    """Return the columns of all statistics but the count.

    Args:
        packed: Bytes of each sample.
        samples: Samples; features are without their t-digests.
    """
    columns: dict[str, list[float | None]] = {
        name: [None] * len(samples) for name in STATISTICS if name != COUNT
    }
    features: dict[float, list[int]] = {}  # rows by their sampling share
    for row, sample in enumerate(samples):
        is_feature = isinstance(sample.content, FeatureProfile)
        if is_feature:
            features.setdefault(sample.sample, []).append(row)
        for name, statistic in sample.content.statistics().items():
            if name != COUNT and not (is_feature and name in _OF_DIGEST):
                columns[name][row] = statistic(sample.content)
    for rows in features.values():
        for first in range(0, len(rows), FEW):
            _put_from_digests(columns, rows[first : first + FEW], packed, samples)
    return columns


def _put_from_digests(
    columns: Mapping[str, list[float | None]],
    rows: Sequence[int],
    packed: Sequence[bytes],
    samples: Sequence[SummarySample],
) -> None:
    """Fill the statistics in *columns* that need the t-digests of the features in *rows*.

    The t-digests are decoded together, because one by one they take most of the time of an export.
    """
    numbers = numbers_from_bytes([[packed[row]] for row in rows], moments=False)
    if numbers is None:  # such as t-digests of different compressions
        for row in rows:
            content = sample_from_bytes(packed[row]).content
            for name in _OF_DIGEST:
                columns[name][row] = statistic_of(content, name)
        return
    digests = numbers.digests
    columns_found = [
        *digests.quantiles(np.array([*QUANTILES.values()])).T,
        digests.low,
        digests.high,
    ]
    for name, found in zip(_OF_DIGEST, columns_found, strict=True):
        for row, value in zip(rows, found.tolist(), strict=True):
            is_null = not samples[row].content.type_counts.numbers
            columns[name][row] = None if is_null else value
