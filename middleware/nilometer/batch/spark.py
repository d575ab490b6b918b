"""Profiles Spark data frames: each executor profiles its partitions, then profiles are merged.

The recorders and profilers are the same as for live traffic and tables. Each executor turns its
Arrow batches into profiles of a few kilobytes. Only these profiles leave the executors.
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
    """Return the profile of each column of *frame*, by summary name.

    Args:
        frame: Data frame, a `pyspark.sql.DataFrame` with any number of partitions.
        profilers: Profilers of users; each sees one Arrow batch at a time, and must be importable
            on the executors.
        readable: Whether category names are kept; otherwise they are only counted.

    Raises:
        NilometerError: If a profiler fails; the job fails as well.
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
