"""The same rows give the same profiles over Spark's partitions as over one table."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nilometer.batch.profile import profile_of
from nilometer.profile.profiler import Profiler

if not os.environ.get("NILOMETER_LONG"):
    pytest.skip("starts Spark: set NILOMETER_LONG=1", allow_module_level=True)
pyspark_sql = pytest.importorskip("pyspark.sql", reason="needs nilometer[spark]")

ROWS = 5000


def tone(batch: Any) -> dict[str, list[bool]]:
    return {"polite": ["please" in str(text) for text in batch["input.prompt"]]}


TONE = Profiler(name="tone", version="1", columns=("input.prompt",), function=tone)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    session = (
        pyspark_sql.SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "700")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("default")  # of Spark about its own libraries
def test_partitions_add_up_to_the_table(spark: Any) -> None:
    from nilometer.batch.spark import profile_dataframe

    rng = np.random.default_rng(2)
    rows = [
        (float(amount), f"c{number % 7}", "please" if number % 3 else "now")
        for number, amount in enumerate(rng.normal(size=ROWS))
    ]
    frame = spark.createDataFrame(rows, "amount double, country string, prompt string")
    found = profile_dataframe(frame.repartition(5), [TONE])
    names = ("amount", "country", "prompt")
    table = pa.table({name: [row[at] for row in rows] for at, name in enumerate(names)})
    whole = profile_of(table, profilers=[TONE])
    assert set(found) == set(whole)
    for summary, feature in whole.items():
        theirs = found[summary]
        assert theirs.types == feature.types
        assert theirs.categories.frequent == feature.categories.frequent
        assert theirs.numbers.count == feature.numbers.count
    ranks = whole["input.amount"].numbers.digest.rank([-1.0, 0.0, 1.0])
    assert found["input.amount"].numbers.digest.rank([-1.0, 0.0, 1.0]) == pytest.approx(
        ranks, abs=0.002
    )
