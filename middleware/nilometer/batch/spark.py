"""Profiles of Spark data frames: each partition is profiled where it lies, profiles are merged.

The same recorders and profilers as live and over a table. Arrow batches of a partition become
profiles of some kilobytes, and only those leave the executors.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nilometer.batch.profile import profile_of
from nilometer.profile import FeatureProfile, FeatureSpec
from nilometer.profile.profiler import Profiler
from nilometer.wire.contents.feature import feature_from_bytes, feature_to_bytes

if TYPE_CHECKING:
    import pyarrow
    import pyspark.sql

SCHEMA = "summary string, profile binary"


def profile_dataframe(
    frame: "pyspark.sql.DataFrame", profilers: Sequence[Profiler] = (), *, readable: bool = True
) -> dict[str, FeatureProfile]:
    """The profile of each column of *frame*, by summary name.

    Args:
        frame: A `pyspark.sql.DataFrame`, any number of partitions.
        profilers: Of users; each sees one Arrow batch at a time, and must be importable where
            the executors run.
        readable: Whether category names are kept; else they are counted and not kept.

    Raises:
        NilometerError: If a profiler fails: the job fails with it.
    """
    user_profilers = tuple(profilers)

    def profiled(batches: "Iterator[pyarrow.RecordBatch]") -> "Iterator[pyarrow.RecordBatch]":
        import pyarrow as arrow

        parts: dict[str, list[FeatureProfile]] = {}
        for batch in batches:
            table = arrow.Table.from_batches([batch])
            found = profile_of(table, lambda _: FeatureSpec(readable=readable), user_profilers)
            for summary, feature in found.items():
                parts.setdefault(summary, []).append(feature)
        rows = [
            (summary, feature_to_bytes(FeatureProfile.merge_all(features)))
            for summary, features in sorted(parts.items())
        ]
        yield arrow.RecordBatch.from_arrays(
            [
                arrow.array([summary for summary, _ in rows], arrow.string()),
                arrow.array([packed for _, packed in rows], arrow.binary()),
            ],
            names=["summary", "profile"],
        )

    parts: dict[str, list[FeatureProfile]] = {}
    for row in frame.mapInArrow(profiled, SCHEMA).toLocalIterator():
        parts.setdefault(row.summary, []).append(feature_from_bytes(bytes(row.profile)))
    return {
        summary: FeatureProfile.merge_all(features) for summary, features in sorted(parts.items())
    }
