"""Merge a year of exported history on Spark: one row for each summary and day, and one for the year."""

import argparse
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nilometer.batch.exported import merge_rows, spark_schema
from nilometer.client.samples import sample_of

if TYPE_CHECKING:
    import pyarrow

SERIES = ("entity", "summary")
SHOWN = (*SERIES, "window_start", "window_end", "count", "p50", "p99")


def merged(frame: Any, step_seconds: int | None = None, by: tuple[str, ...] = ()) -> Any:
    """Return the rows of *frame*, merged to one row for each series and step.

    All rows of a result come to one partition, so this merges them completely.

    Args:
        frame: Data frame of exported files.
        step_seconds: Length of the windows; None merges all of them.
        by: Label keys to keep.
    """

    def merge(batches: "Iterable[pyarrow.RecordBatch]") -> "Iterator[pyarrow.RecordBatch]":
        return merge_rows(batches, step_seconds=step_seconds, by=by)

    return frame.repartition(*SERIES).mapInArrow(merge, spark_schema())


def main() -> None:
    """Read the files, and print the year by summary and by country."""
    from pyspark.sql import SparkSession

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", help="files or patterns of `nilometer export`")
    parser.add_argument("--days", help="folder of Parquet files to write, with a row for each day")
    arguments = parser.parse_args()
    spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    year = spark.read.parquet(*arguments.files)
    if arguments.days:
        merged(year, step_seconds=86_400).write.parquet(arguments.days)
    merged(year).select(*SHOWN).orderBy(*SERIES).show(truncate=False)
    for row in merged(year, by=("country",)).select("summary", "labels", "sample").collect():
        tail = sample_of(bytes(row["sample"])).quantile(0.9999)
        print(f"{row['summary']} {row['labels']}: p99.99 {tail:.4g}")
    spark.stop()


if __name__ == "__main__":
    main()
