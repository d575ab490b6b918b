"""Profiles a Parquet file with one tool; prints CPU seconds and the growth of peak memory.

It runs in each tool's own environment, so it imports nilometer only to measure nilometer.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any


def ours(table: Any) -> Callable[[], object]:
    from nilometer.batch.profile import profile_of

    return lambda: profile_of(table)


def whylogs(table: Any) -> Callable[[], object]:
    import whylogs as why  # type: ignore[import-not-found]  # of its own environment

    frame = table.to_pandas()
    return lambda: why.log(frame).view()


def evidently(table: Any) -> Callable[[], object]:
    from evidently import Dataset, Report  # type: ignore[import-not-found]  # as above
    from evidently.presets import DataSummaryPreset  # type: ignore[import-not-found]

    frame = table.to_pandas()

    def run() -> object:
        return Report([DataSummaryPreset()]).run(Dataset.from_pandas(frame), None).dict()

    return run


def polars(table: Any) -> Callable[[], object]:
    import polars as pl  # of its own environment

    frame: Any = pl.from_arrow(table)
    describe: Callable[[], object] = frame.describe
    return describe


def main() -> None:
    tool, path, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    import pyarrow.parquet as pq

    run = {"ours": ours, "whylogs": whylogs, "evidently": evidently, "polars": polars}[tool](
        pq.read_table(path)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": min(seconds), "megabytes": (peak - before) / 1024}))


if __name__ == "__main__":
    main()
